// The tab Problems: what is wrong with the notebook; a click jumps there.
import { TranslationBundle } from '@jupyterlab/translation';
import { IFinding } from './api';
import { button, element } from './dom';

/** The findings as a list. */
export function problems(
  found: IFinding[],
  trans: TranslationBundle,
  jump: (cell: number, line: number | null) => void
): HTMLElement {
  if (!found.length) {
    return element('p', 'jp-Kfp-empty', trans.__('No problems.'));
  }
  const list = element('ul', 'jp-Kfp-list');
  list.append(...found.map(one => problem(one, trans, jump)));
  return list;
}

function problem(
  found: IFinding,
  trans: TranslationBundle,
  jump: (cell: number, line: number | null) => void
): HTMLElement {
  const item = element('li', `jp-Kfp-problem jp-mod-${found.severity}`);
  const place =
    found.cell === null
      ? trans.__('Notebook')
      : found.line === null
        ? trans.__('Cell %1', found.cell + 1)
        : trans.__('Cell %1, line %2', found.cell + 1, found.line);
  const severity = found.severity === 'error' ? trans.__('error') : trans.__('warning');
  const link = button('', () => {
    if (found.cell !== null) {
      jump(found.cell, found.line);
    }
  });
  link.append(
    element('span', 'jp-Kfp-place', `${place} · ${severity} ${found.code}`),
    element('span', '', found.message),
    element('span', 'jp-Kfp-remedy', found.remedy)
  );
  link.disabled = found.cell === null;
  item.append(link);
  return item;
}
