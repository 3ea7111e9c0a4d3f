// Two runs side by side: their parameters and metrics, with what differs marked.
import { TranslationBundle } from '@jupyterlab/translation';
import { ask, IComparison, IDifference, IRun } from './api';
import { element, shown, since, stateWord, table } from './dom';

/** The comparison of two runs, the older one first. */
export async function comparison(
  runs: [IRun, IRun],
  trans: TranslationBundle
): Promise<HTMLElement> {
  const [before, after] = [...runs].sort((a, b) => a.created_at.localeCompare(b.created_at));
  const found = await ask<IComparison>('GET', 'compare', undefined, {
    before: before.run_id,
    after: after.run_id
  });
  const made = element('div', 'jp-Kfp-comparison');
  const names = [found.before, found.after].map(run => run.run_id.slice(0, 6));
  const facts = (run: IRun) => [stateWord(run.state, trans), since(run.started_at, run.ended_at)];
  const [first, second] = [facts(found.before), facts(found.after)];
  const rows = [
    [trans.__('Name'), found.before.name, found.after.name],
    [trans.__('State'), first[0], second[0]],
    [trans.__('Time'), first[1], second[1]]
  ];
  made.append(table(['', ...names], rows, trans.__('Runs')));
  made.append(differences(found.parameters, trans.__('Parameters'), names, trans));
  made.append(differences(found.metrics, trans.__('Metrics'), names, trans));
  return made;
}

function differences(
  all: IDifference[],
  title: string,
  names: string[],
  trans: TranslationBundle
): HTMLElement {
  if (!all.length) {
    return element('p', 'jp-Kfp-remedy', trans.__('%1: neither run has any.', title));
  }
  const rows = all.map(one => [
    one.differs ? mark(one.name, trans) : one.name,
    shown(one.before),
    shown(one.after) + change(one)
  ]);
  const made = table(['', ...names], rows, title);
  made.querySelectorAll('tbody tr').forEach((row, index) => {
    row.classList.toggle('jp-mod-differs', all[index].differs);
  });
  return made;
}

/** Told by a sign and a word, too, not by colour alone. */
function mark(name: string, trans: TranslationBundle): HTMLElement {
  const made = element('span', '', `≠ ${name}`);
  made.title = trans.__('differs');
  return made;
}

/** How much a number went up or down: " (+0.25)". */
function change(one: IDifference): string {
  if (!one.differs || typeof one.before !== 'number' || typeof one.after !== 'number') {
    return '';
  }
  const by = Number((one.after - one.before).toPrecision(6));
  return ` (${by > 0 ? '+' : ''}${by})`;
}
