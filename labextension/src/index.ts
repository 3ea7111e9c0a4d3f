// The plugin: a panel, a toolbar button, commands, and marks on cells.
import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, ToolbarButton } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import { caretDownEmptyIcon, LabIcon } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { Poll } from '@lumino/polling';
import { Menu } from '@lumino/widgets';
import { IRun, State } from './api';
import { mark } from './badges';
import { addCommands, CommandIDs, IHost, MENU, report } from './commands';
import { addConvert } from './convert';
import { Following } from './following';
import { fieldsPlugin, optionsPlugin } from './forms';
import { addRunning, StatusItem, tellEnd } from './frame';
import { ExecutedNotebooks, isExecuted, openExecuted } from './executed';
import { PipelinePanel, Tab } from './panel';
import { Session } from './session';

const ID = 'jupyter-kfp:plugin';
const EVENT = 'https://events.jupyter.org/jupyter_kfp/run/v1';

const icon = new LabIcon({
  name: 'jupyter-kfp:pipeline',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161">' +
    '<path d="M4 3h6v5H8v3h8V8h-2V3h6v5h-2v5h-5v3h2v5H9v-5h2v-3H6V8H4z"/></g></svg>'
});

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Notebooks as pipelines: preview, problems, runs.',
  autoStart: true,
  requires: [INotebookTracker],
  // Notebook 7 has no status bar, and its notebooks no Running sidebar.
  optional: [
    ILayoutRestorer,
    ICommandPalette,
    ISettingRegistry,
    ITranslator,
    IRunningSessionManagers,
    IStatusBar
  ],
  activate
};

function activate(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  restorer: ILayoutRestorer | null,
  palette: ICommandPalette | null,
  registry: ISettingRegistry | null,
  translator: ITranslator | null,
  running: IRunningSessionManagers | null,
  statusBar: IStatusBar | null
): void {
  const trans = (translator ?? nullTranslator).load('jupyter_kfp');
  const settings = {
    delay: 150,
    profile: '',
    runner: '',
    storage: '',
    badges: true,
    notifications: true
  };
  const sessions = new Map<NotebookPanel, Session>();
  const current = () =>
    tracker.currentWidget ? (sessions.get(tracker.currentWidget) ?? null) : null;

  const host: IHost = {
    current,
    reveal: (tab: Tab, focus = false) => {
      app.shell.activateById(panel.id);
      panel.choose(tab, focus);
    },
    profile: () => settings.profile,
    runSettings: () => ({
      ...(settings.runner && { runner: settings.runner }),
      ...(settings.storage && { artifact_root: settings.storage })
    })
  };
  const actions = {
    open: (run: IRun) => {
      host.reveal('pipeline');
      void openRun(app, run, sessions, panel).catch(actions.fail);
    },
    fail: (error: unknown) => report(error, host)
  };
  const panel = new PipelinePanel(
    trans,
    {
      jump,
      ...actions,
      run: () => void app.commands.execute(CommandIDs.run),
      stop: () => void app.commands.execute(CommandIDs.stop),
      openNotebook: (runId: string, task: string) =>
        void openExecuted(app, runId, task).catch(actions.fail)
    },
    icon
  );
  app.shell.add(panel, 'right', { rank: 900, type: 'Pipeline' });
  restorer?.add(panel, panel.id);
  app.serviceManager.contents.addDrive(new ExecutedNotebooks(trans));
  addCommands(app.commands, host, trans);
  addConvert(app, tracker, actions.fail, trans);
  MENU.forEach(command => palette?.addItem({ command, category: trans.__('Kubeflow Pipelines') }));

  const following = new Following();
  following.ended.connect((_, run) => {
    void panel.listRuns();
    if (settings.notifications) {
      tellEnd(run, actions, trans);
    }
  });
  void app.restored.then(() => following.refresh()).catch(actions.fail);
  if (running) {
    addRunning(running, following, actions, trans, icon);
  }
  const status = new StatusItem(trans, () => host.reveal('pipeline', true));
  if (statusBar) {
    status.register(statusBar);
  }

  const marked = (session: Session) => {
    mark(session, trans, settings.badges);
    app.commands.notifyCommandChanged(CommandIDs.stop);
    status.show_(current());
  };
  tracker.widgetAdded.connect((_, notebook) => {
    if (isExecuted(notebook.context.path)) {
      return; // to be read only
    }
    const session = new Session(notebook, app.serviceManager.contents, () => settings.delay);
    sessions.set(notebook, session);
    session.changed.connect(marked);
    notebook.disposed.connect(() => {
      sessions.delete(notebook);
      panel.session = current();
    });
    addToolbar(notebook, app.commands, trans);
    panel.session = current();
  });
  tracker.currentChanged.connect(() => {
    if (tracker.currentWidget && isExecuted(tracker.currentWidget.context.path)) {
      return; // the panel goes on showing its run
    }
    panel.session = current();
    status.show_(current());
    app.commands.notifyCommandChanged();
  });
  const cells = () => app.commands.notifyCommandChanged(CommandIDs.toggleStep);
  tracker.activeCellChanged.connect(cells);
  tracker.selectionChanged.connect(cells);

  app.serviceManager.events.stream.connect((_, event) => {
    if (event.schema_id !== EVENT) {
      return;
    }
    const told = event as unknown as { run_id: string; kind: string; state: State | null };
    sessions.forEach(session => session.heard(told.run_id));
    panel.heard(told.run_id);
    if (told.kind === 'run') {
      void panel.listRuns();
      void following.heard(told.run_id, told.state).catch(actions.fail);
    }
  });

  // Events are lost with the connection, as when the server restarts: what goes on is looked at now and then.
  new Poll({
    name: 'jupyter-kfp:catch-up',
    frequency: { interval: 5_000, backoff: 1.5, max: 20_000 },
    standby: 'when-hidden',
    factory: async () => {
      if (following.going.length) {
        const shown = [...sessions.values()].map(session => session.followed);
        await Promise.all([following.refresh(), ...[panel, ...shown].map(one => one.catchUp())]);
      }
    }
  });

  void registry
    ?.load(ID)
    .then(loaded => {
      const read = () => {
        settings.delay = loaded.get('delay').composite as number;
        settings.profile = loaded.get('profile').composite as string;
        settings.runner = loaded.get('runner').composite as string;
        settings.storage = loaded.get('storage').composite as string;
        settings.badges = loaded.get('badges').composite as boolean;
        settings.notifications = loaded.get('notifications').composite as boolean;
        sessions.forEach(marked);
      };
      loaded.changed.connect(read);
      read();
    })
    .catch(error => console.warn('jupyter-kfp: the settings could not be read.', error));
}

/** Runs with one click; the arrow beside it opens the menu. */
function addToolbar(
  notebook: NotebookPanel,
  commands: CommandRegistry,
  trans: TranslationBundle
): void {
  const menu = new Menu({ commands });
  menu.title.label = trans.__('Pipeline');
  MENU.forEach(command => menu.addItem({ command }));
  const run = new ToolbarButton({
    icon,
    label: trans.__('Run Pipeline'),
    tooltip: trans.__('Run the notebook as a pipeline on this machine'),
    onClick: () => void commands.execute(CommandIDs.run)
  });
  const more = new ToolbarButton({
    icon: caretDownEmptyIcon,
    tooltip: trans.__('More about the pipeline'),
    onClick: () => {
      const { left, bottom } = more.node.getBoundingClientRect();
      menu.open(left, bottom);
    }
  });
  more.addClass('jp-Kfp-more');
  notebook.toolbar.insertAfter('cellType', 'jupyter-kfp-run', run);
  notebook.toolbar.insertAfter('jupyter-kfp-run', 'jupyter-kfp-more', more);
  notebook.disposed.connect(() => menu.dispose());
}

/** Show a cell and put the cursor on a line of it (from 1). */
async function jump(session: Session, cell: number, line: number | null): Promise<void> {
  const notebook = session.panel.content;
  if (cell >= notebook.widgets.length) {
    return; // deleted meanwhile
  }
  notebook.deselectAll();
  notebook.activeCellIndex = cell;
  await notebook.scrollToItem(cell, 'center');
  const widget = notebook.widgets[cell];
  await widget.ready;
  notebook.mode = 'edit';
  widget.editor?.setCursorPosition({ line: Math.max(0, (line ?? 1) - 1), column: 0 });
  widget.editor?.focus();
}

/** The notebook of a run with its states; a run of no notebook below the root by itself. */
async function openRun(
  app: JupyterFrontEnd,
  run: IRun,
  sessions: Map<NotebookPanel, Session>,
  panel: PipelinePanel
): Promise<void> {
  if (run.notebook === null) {
    await panel.showAlone(run);
    return;
  }
  await app.commands.execute('docmanager:open', { path: run.notebook });
  for (const [notebook, session] of sessions) {
    if (session.path === run.notebook) {
      await notebook.context.ready;
      await session.show(run);
    }
  }
}

export default [plugin, fieldsPlugin, optionsPlugin];
