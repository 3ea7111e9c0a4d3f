// Makes plain cells steps, and steps plain cells.
import { JupyterFrontEnd } from '@jupyterlab/application';
import { InputDialog } from '@jupyterlab/apputils';
import { Cell, ICellModel } from '@jupyterlab/cells';
import { INotebookTracker, Notebook } from '@jupyterlab/notebook';
import { TranslationBundle } from '@jupyterlab/translation';
import { CommandIDs } from './commands';
import { isName, makePlain, NAME, roleOf, setRole, suggestName } from './roles';

type Cells = readonly Cell<ICellModel>[];

/** Add the command. In the menu of a cell, whose arguments say so, it is about that cell. */
export function addConvert(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  fail: (error: unknown) => void,
  trans: TranslationBundle
): void {
  const found = (args: { clicked?: unknown }) => {
    const isCell = (node: HTMLElement) => node.classList.contains('jp-Cell');
    return chosen(
      tracker.currentWidget?.content,
      args.clicked ? app.contextMenuHitTest(isCell) : undefined
    );
  };
  app.commands.addCommand(CommandIDs.toggleStep, {
    label: args =>
      areSteps(found(args)) ? trans.__('Make Cell Plain') : trans.__('Make Cell a Pipeline Step…'),
    caption: trans.__('Make the selected cells a step of the pipeline, or plain again'),
    isEnabled: args => found(args).length > 0,
    execute: args => convert(tracker.currentWidget?.content, found(args), trans).catch(fail),
    describedBy: {
      args: {
        type: 'object',
        properties: {
          clicked: { type: 'boolean', description: 'The cell whose menu is open is meant.' }
        }
      }
    }
  });
}

/** The code cells that are meant: the clicked one, unless it is selected; else those that are selected. */
function chosen(notebook: Notebook | undefined, clicked: HTMLElement | undefined): Cells {
  const cells = notebook?.widgets ?? [];
  const other = cells.find(cell => cell.node === clicked && !notebook?.isSelectedOrActive(cell));
  const meant = other ? [other] : cells.filter(cell => notebook?.isSelectedOrActive(cell));
  return meant.filter(cell => cell.model.type === 'code');
}

function areSteps(cells: Cells): boolean {
  return cells.some(cell => roleOf(cell.model).role === 'step');
}

/** Make cells one step, asking for its name; or, if one of them is a step, make them plain. */
async function convert(
  notebook: Notebook | undefined,
  cells: Cells,
  trans: TranslationBundle
): Promise<void> {
  if (notebook === undefined || !cells.length) {
    return;
  }
  if (areSteps(cells)) {
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
