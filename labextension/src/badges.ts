// Marks on cells: the step, its state after a run, and problems.
import { Cell } from '@jupyterlab/cells';
import { TranslationBundle } from '@jupyterlab/translation';
import { ICell, State } from './api';
import { element, stateWord } from './dom';
import { key } from './roles';
import { Session } from './session';

/** The state of every step: the worst of its iterations. */
function states(session: Session): Map<string, State> {
  const order: State[] = [
    'SKIPPED',
    'CACHED',
    'SUCCEEDED',
    'PENDING',
    'CANCELED',
    'RUNNING',
    'FAILED'
  ];
  const found = new Map<string, State>();
  for (const task of session.run?.tasks ?? []) {
    const name = key(
      task.path
        .split('.')
        .pop()!
        .replace(/\[\d+\]$/, '')
    );
    const known = found.get(name);
    if (known === undefined || order.indexOf(task.state) > order.indexOf(known)) {
      found.set(name, task.state);
    }
  }
  return found;
}

function word(cell: ICell, trans: TranslationBundle): string {
  const words: Record<ICell['role'], string> = {
    step: cell.step ?? '',
    parameters: trans.__('parameters'),
    preamble: trans.__('for all steps'),
    outputs: trans.__('outputs'),
    skipped: trans.__('not in the pipeline'),
    pipeline: trans.__('pipeline')
  };
  return words[cell.role];
}

function explanation(cell: ICell, trans: TranslationBundle): string {
  return cell.role === 'step'
    ? trans.__('Step %1 of the pipeline', cell.step ?? '')
    : trans.__('The part of this cell in the pipeline');
}

/** The style sheet gives each state a colour and a sign. */
function colour(node: HTMLElement, state: State | undefined): void {
  if (state) {
    node.dataset.state = state;
  } else {
    delete node.dataset.state;
  }
}

/** Bring the marks on the cells of a notebook up to date. */
export function mark(session: Session, trans: TranslationBundle, shown: boolean): void {
  const roles = new Map(session.preview?.cells.map(cell => [cell.cell, cell]));
  const known = states(session);
  session.panel.content.widgets.forEach((widget, index) => {
    const cell = roles.get(index);
    const found = session.preview?.findings.filter(one => one.cell === index) ?? [];
    const error = found.some(one => one.severity === 'error');
    const state = shown && cell?.step ? known.get(key(cell.step)) : undefined;
    widget.toggleClass('jp-mod-kfpError', shown && error);
    widget.toggleClass('jp-mod-kfpStep', shown && cell?.role === 'step');
    colour(widget.node, state);
    const badges = element('div', 'jp-Kfp-badges');
    if (shown && cell) {
      const badge = element('span', `jp-Kfp-badge jp-mod-${cell.role}`, word(cell, trans));
      badge.title = explanation(cell, trans);
      if (state) {
        colour(badge, state);
        const mark = element('span', 'jp-Kfp-mark');
        colour(mark, state);
        badge.prepend(mark);
        badge.append(element('span', 'jp-Kfp-state', stateWord(state, trans)));
      }
      badges.append(badge);
    }
    for (const one of shown ? found : []) {
      const problem = element('span', `jp-Kfp-badge jp-mod-${one.severity}`, one.code);
      problem.title = `${one.message} ${one.remedy}`;
      badges.append(problem);
    }
    place(widget, badges);
  });
}

const latest = new WeakMap<Cell, HTMLElement>();

/** Put marks into the header of a cell; one that is far from the screen has none yet. */
function place(widget: Cell, badges: HTMLElement): void {
  latest.set(widget, badges);
  void widget.ready.then(() => {
    const header = widget.node.querySelector('.jp-CellHeader');
    if (header && latest.get(widget) === badges) {
      header.querySelector('.jp-Kfp-badges')?.remove();
      header.classList.toggle('jp-mod-kfp', badges.childElementCount > 0);
      header.append(badges);
    }
  });
}
