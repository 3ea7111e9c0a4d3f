// What the menu, the palette and the keyboard do.
import { Dialog, InputDialog, Notification, showDialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { ask, IProfiles, IRun, ISchedule, ISubmitted, RequestError } from './api';
import { Tab } from './panel';
import { askForSchedule } from './schedules';
import { Session } from './session';

export namespace CommandIDs {
  export const preview = 'jupyter-kfp:preview';
  export const run = 'jupyter-kfp:run';
  export const submit = 'jupyter-kfp:submit';
  export const compile = 'jupyter-kfp:compile';
  export const schedule = 'jupyter-kfp:schedule';
  export const stop = 'jupyter-kfp:stop';
  export const toggleStep = 'jupyter-kfp:toggle-step';
  export const options = 'jupyter-kfp:options';
}

export const MENU = [
  CommandIDs.preview,
  CommandIDs.run,
  CommandIDs.submit,
  CommandIDs.compile,
  CommandIDs.schedule,
  CommandIDs.stop,
  CommandIDs.toggleStep,
  CommandIDs.options
];

/** How runs on this machine are started, as the settings have it. */
export interface IRunSettings {
  runner?: string;
  artifact_root?: string;
}

export interface IHost {
  current(): Session | null;
  /** Show a tab of the panel; `focus`: go on there with the keyboard. */
  reveal(tab: Tab, focus?: boolean): void;
  profile(): string;
  runSettings(): IRunSettings;
}

export function addCommands(
  commands: CommandRegistry,
  host: IHost,
  trans: TranslationBundle
): void {
  const work = new Work(host, trans);
  const any = () => host.current() !== null;
  const add = (id: string, label: string, caption: string, execute: () => unknown, enabled = any) =>
    commands.addCommand(id, {
      label,
      caption,
      isEnabled: enabled,
      execute,
      describedBy: { args: { type: 'object', properties: {} } }
    });
  add(
    CommandIDs.preview,
    trans.__('Preview Pipeline'),
    trans.__('Show the pipeline as the notebook is being edited'),
    () => host.reveal('pipeline', true)
  );
  add(
    CommandIDs.run,
    trans.__('Run Pipeline Here'),
    trans.__('Run the notebook as a pipeline on this machine'),
    () => work.guarded(session => work.run(session))
  );
  add(
    CommandIDs.submit,
    trans.__('Submit Pipeline to…'),
    trans.__('Run the notebook as a pipeline on a cluster'),
    () => work.guarded(session => work.submit(session))
  );
  add(
    CommandIDs.compile,
    trans.__('Compile Pipeline to File'),
    trans.__('Write the pipeline as KFP IR beside the notebook'),
    () => work.guarded(session => work.compile(session))
  );
  add(
    CommandIDs.schedule,
    trans.__('Schedule Pipeline…'),
    trans.__('Have a cluster run the notebook again and again'),
    () => work.guarded(session => work.schedule(session))
  );
  add(
    CommandIDs.stop,
    trans.__('Stop Pipeline'),
    trans.__('End the run of this notebook'),
    () => work.guarded(session => work.stop(session)),
    () => host.current()?.isRunning ?? false
  );
}

/** Tell what went wrong; a notebook with errors has them in the panel. */
export function report(error: unknown, host: IHost): void {
  const reason = error instanceof Error ? error.message : String(error);
  Notification.error(reason.length > 300 ? `${reason.slice(0, 300)}…` : reason);
  if (error instanceof RequestError && error.code === 'notebook_has_errors') {
    host.reveal('problems');
  }
}

class Work {
  constructor(
    private _host: IHost,
    private _trans: TranslationBundle
  ) {}

  async guarded(act: (session: Session) => Promise<void>): Promise<void> {
    const session = this._host.current();
    if (session === null) {
      return;
    }
    try {
      await act(session);
    } catch (error) {
      report(error, this._host);
    }
  }

  async run(session: Session): Promise<void> {
    this._host.reveal('pipeline');
    await session.save();
    await session.show(
      await ask<IRun>('POST', 'runs', {
        path: session.path,
        parameters: session.parameters,
        ...this._host.runSettings()
      })
    );
  }

  async stop(session: Session): Promise<void> {
    if (session.run !== null) {
      await ask('POST', `runs/${session.run.run_id}/cancel`);
      await session.update();
    }
  }

  async compile(session: Session): Promise<void> {
    await session.save();
    const path = session.path;
    const write = (overwrite: boolean) =>
      ask<{ path: string }>('POST', 'compile', { path, overwrite });
    try {
      this._say(this._trans.__('Written: %1', (await write(false)).path));
    } catch (error) {
      if (!(error instanceof RequestError && error.code === 'exists')) {
        throw error;
      }
      const answer = await showDialog({
        title: this._trans.__('Overwrite?'),
        body: error.message,
        buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: this._trans.__('Overwrite') })]
      });
      if (answer.button.accept) {
        this._say(this._trans.__('Written: %1', (await write(true)).path));
      }
    }
  }

  async submit(session: Session): Promise<void> {
    const profile = await this._profile();
    if (profile === null) {
      return;
    }
    await session.save();
    const run = await ask<ISubmitted>('POST', 'submit', {
      path: session.path,
      parameters: session.parameters,
      profile
    });
    Notification.success(this._trans.__('Submitted: %1', run.name), {
      actions: [
        {
          label: this._trans.__('Open'),
          callback: () => window.open(run.url, '_blank', 'noopener')
        }
      ]
    });
    this._host.reveal('pipeline');
    await session.show(run);
  }

  async schedule(session: Session): Promise<void> {
    const profiles = await this._profiles();
    const details = await askForSchedule(profiles, this._usual(profiles), this._trans);
    if (details === null) {
      return;
    }
    await session.save();
    const made = await ask<ISchedule>('POST', 'schedules', {
      path: session.path,
      parameters: session.parameters,
      ...details
    });
    this._say(this._trans.__('Scheduled: %1. Next run: %2', made.name, made.next_runs[0] ?? '–'));
  }

  /** The cluster to use: asked for where there is a choice. Null: none was chosen. */
  private async _profile(): Promise<string | null> {
    const found = await this._profiles();
    const names = found.profiles.map(one => one.name);
    const answer = await InputDialog.getItem({
      title: this._trans.__('To which cluster?'),
      items: names,
      current: Math.max(0, names.indexOf(this._usual(found))),
      okLabel: this._trans.__('Continue')
    });
    return answer.button.accept ? answer.value : null;
  }

  /** The clusters that are set up. Throws Error where there is none. */
  private async _profiles(): Promise<IProfiles> {
    const found = await ask<IProfiles>('GET', 'profiles');
    if (!found.profiles.length) {
      throw new Error(
        this._trans.__(
          'No cluster is set up. Add one in a terminal: jupyter kfp profiles add NAME --endpoint URL'
        )
      );
    }
    return found;
  }

  private _usual(found: IProfiles): string {
    return this._host.profile() || found.default || found.profiles[0].name;
  }

  private _say(text: string): void {
    Notification.success(text, { autoClose: 5000 });
  }
}
