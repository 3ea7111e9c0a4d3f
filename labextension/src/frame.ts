// What is around the notebook: the Running sidebar, the status bar, a notification when a run has ended.
import { Notification } from '@jupyterlab/apputils';
import { IRunningSessionManagers, IRunningSessions } from '@jupyterlab/running';
import { IStatusBar } from '@jupyterlab/statusbar';
import { TranslationBundle } from '@jupyterlab/translation';
import { LabIcon } from '@jupyterlab/ui-components';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { ask, IRun, isFinal } from './api';
import { button, element, since, stateWord } from './dom';
import { Following } from './following';
import { Session } from './session';

export interface IRunActions {
  open(run: IRun): void;
  fail(error: unknown): void;
}

/** A section of the Running sidebar: the pipelines that are running, to open and to stop. */
export function addRunning(
  managers: IRunningSessionManagers,
  following: Following,
  actions: IRunActions,
  trans: TranslationBundle,
  icon: LabIcon
): void {
  const stop = (run: IRun) =>
    void ask('POST', `runs/${run.run_id}/cancel`)
      .then(() => following.refresh())
      .catch(actions.fail);
  const item = (run: IRun): IRunningSessions.IRunningItem => ({
    icon: () => icon,
    label: () => run.name,
    labelTitle: () => {
      const place = run.url === null ? trans.__('on this machine') : trans.__('on a cluster');
      return [stateWord(run.state, trans), place, run.notebook ?? '']
        .filter(part => part)
        .join(' · ');
    },
    detail: () => stateWord(run.state, trans),
    open: () => actions.open(run),
    shutdown: () => stop(run)
  });
  managers.add({
    name: trans.__('Pipelines'),
    running: () => following.going.map(item),
    refreshRunning: () => void following.refresh().catch(actions.fail),
    runningChanged: following.changed,
    shutdownAll: () => following.going.forEach(stop),
    shutdownLabel: trans.__('Stop'),
    shutdownAllLabel: trans.__('Stop All'),
    shutdownAllConfirmationText: trans.__(
      'Stop all pipelines that are running, here and on clusters?'
    )
  });
}

/** The state of the current notebook's run; a click opens the panel. */
export class StatusItem extends Widget {
  constructor(
    private _trans: TranslationBundle,
    open: () => void
  ) {
    super();
    this.addClass('jp-Kfp-statusItem');
    this._button = button('', open);
    this._button.title = _trans.__('Show the pipeline');
    this.node.append(this._button);
  }

  register(bar: IStatusBar): void {
    bar.registerStatusItem('jupyter-kfp:status', {
      item: this,
      align: 'left',
      rank: 100,
      isActive: () => this._shown,
      activeStateChanged: this._activeChanged
    });
  }

  show_(session: Session | null): void {
    const run = session?.run ?? null;
    this._shown = run !== null;
    if (run !== null) {
      const done = run.tasks.filter(task => isFinal(task.state)).length;
      const word = stateWord(run.state, this._trans);
      const text = isFinal(run.state)
        ? this._trans.__('Pipeline: %1', word)
        : this._trans.__('Pipeline: %1, %2 of %3', word, done, run.tasks.length);
      const mark = element('span', 'jp-Kfp-mark');
      mark.dataset.state = run.state;
      this._button.replaceChildren(mark, text);
    }
    this._activeChanged.emit();
  }

  private _button: HTMLButtonElement;
  private _shown = false;
  private _activeChanged = new Signal<this, void>(this);
}

/** Tell that a run has ended, with a link to it. What failed stays until it is dismissed. */
export function tellEnd(run: IRun, actions: IRunActions, trans: TranslationBundle): void {
  const time = since(run.started_at, run.ended_at);
  const head = `${run.name}: ${stateWord(run.state, trans)}${time && ` (${time})`}`;
  const failed = run.state === 'FAILED';
  const reason = run.error && run.error.length > 200 ? `${run.error.slice(0, 200)}…` : run.error;
  Notification.emit(
    failed && reason ? `${head}\n${reason}` : head,
    failed ? 'error' : run.state === 'CANCELED' ? 'warning' : 'success',
    {
      autoClose: failed ? false : 10_000,
      actions: [
        {
          label: trans.__('Open Run'),
          caption: trans.__('Show the run in its notebook'),
          callback: () => actions.open(run)
        }
      ]
    }
  );
}
