// Makes plain cells steps, and steps plain cells.
import { InputDialog } from '@jupyterlab/apputils';
import { Cell, ICellModel } from '@jupyterlab/cells';
import { INotebookTracker, Notebook } from '@jupyterlab/notebook';
import { TranslationBundle } from '@jupyterlab/translation';
import { isName, makePlain, NAME, roleOf, setRole, suggestName } from './roles';

/** The code cells that are selected, or the active one. */
function chosen(notebook: Notebook | undefined): Cell<ICellModel>[] {
  return (notebook?.widgets ?? []).filter(
    cell => notebook?.isSelectedOrActive(cell) && cell.model.type === 'code'
  );
}

/** Whether the chosen cells are steps, which the command would make plain. */
export function areSteps(tracker: INotebookTracker): boolean {
  return chosen(tracker.currentWidget?.content).some(cell => roleOf(cell.model).role === 'step');
}

export function canConvert(tracker: INotebookTracker): boolean {
  return chosen(tracker.currentWidget?.content).length > 0;
}

/** Make the chosen cells one step, asking for its name; or, if one of them is a step, make them plain. */
export async function convert(tracker: INotebookTracker, trans: TranslationBundle): Promise<void> {
  const notebook = tracker.currentWidget?.content;
  const cells = chosen(notebook);
  if (notebook === undefined || !cells.length) {
    return;
  }
  if (areSteps(tracker)) {
    cells.forEach(cell => makePlain(cell.model));
    return;
  }
  const answer = await InputDialog.getText({
    title: trans.__('Name of the step'),
    text: suggestName(notebook, notebook.widgets.indexOf(cells[0])),
    placeholder: 'train_model',
    pattern: NAME,
    required: true,
    okLabel: trans.__('Make a Step')
  });
  const name = answer.value?.trim() ?? '';
  if (!answer.button.accept || name === '') {
    return;
  }
  if (!isName(name)) {
    throw new Error(
      trans.__(
        '%1 cannot be the name of a step: letters, digits, _ and -, a letter first, at most 63.',
        name
      )
    );
  }
  cells.forEach(cell => setRole(cell.model, { role: 'step', name }));
}
