// Schedules on a cluster: the form to make one, and the list to pause, resume and delete them.
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { ask, IProfiles, ISchedule } from './api';
import { button, element, labelled, reason, select, table } from './dom';

const DELAY = 300;

/** What is asked of the server, apart from the notebook. */
export interface IScheduleBody {
  profile: string;
  name?: string;
  cron?: string;
  interval?: number;
  start?: string;
  end?: string;
  concurrency: number;
  catch_up: boolean;
}

/** A moment as people read it, in their own zone. */
function moment(text: string): string {
  return new Date(text).toLocaleString();
}

/** Cron or interval, with the next times shown before the schedule is made. */
export class ScheduleForm extends Widget implements Dialog.IBodyWidget<IScheduleBody> {
  constructor(
    profiles: IProfiles,
    usual: string,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-Kfp-schedule');
    const changed = () => this._changed();
    const names = profiles.profiles.map(one => one.name);
    this._profile = select(
      names.map(name => [name, name]),
      changed
    );
    this._profile.value = usual;
    this._kind = select(
      [
        ['cron', _trans.__('At certain times (cron, UTC)')],
        ['interval', _trans.__('At intervals')]
      ],
      () => {
        this._arrange();
        changed();
      }
    );
    this._cron.value = '0 3 * * *';
    this._every.type = this._concurrency.type = 'number';
    this._every.min = this._concurrency.min = this._every.value = this._concurrency.value = '1';
    this._concurrency.max = '10';
    this._unit = select(
      [
        ['60', _trans.__('minutes')],
        ['3600', _trans.__('hours')],
        ['86400', _trans.__('days')]
      ],
      changed
    );
    this._unit.value = '3600';
    this._unit.setAttribute('aria-label', _trans.__('Unit'));
    this._start.type = this._end.type = 'datetime-local';
    this._catchUp.type = 'checkbox';
    this._interval.append(labelled(_trans.__('Every'), this._every), this._unit);
    this._expression = labelled(_trans.__('Cron expression'), this._cron);
    this._times.setAttribute('role', 'status');
    this.node.append(
      labelled(_trans.__('Cluster'), this._profile),
      labelled(_trans.__('Name'), this._name),
      labelled(_trans.__('When'), this._kind),
      this._expression,
      this._interval,
      labelled(_trans.__('Not before'), this._start),
      labelled(_trans.__('Not after'), this._end),
      labelled(_trans.__('Runs at once'), this._concurrency),
      labelled(_trans.__('Make up for missed times'), this._catchUp),
      this._times
    );
    this.node.addEventListener('input', changed);
    this._arrange();
    void this._preview();
  }

  getValue(): IScheduleBody {
    const body: IScheduleBody = {
      profile: this._profile.value,
      concurrency: Number(this._concurrency.value),
      catch_up: this._catchUp.checked,
      ...this._when()
    };
    return this._name.value ? { ...body, name: this._name.value } : body;
  }

  override dispose(): void {
    window.clearTimeout(this._timer);
    super.dispose();
  }

  private _when(): Partial<IScheduleBody> {
    const when: Partial<IScheduleBody> =
      this._kind.value === 'cron'
        ? { cron: this._cron.value }
        : { interval: Number(this._every.value) * Number(this._unit.value) };
    if (this._start.value) {
      when.start = new Date(this._start.value).toISOString();
    }
    if (this._end.value) {
      when.end = new Date(this._end.value).toISOString();
    }
    return when;
  }

  private _arrange(): void {
    this._expression.hidden = this._kind.value !== 'cron';
    this._interval.hidden = this._kind.value === 'cron';
  }

  private _changed(): void {
    window.clearTimeout(this._timer);
    this._timer = window.setTimeout(() => void this._preview(), DELAY);
  }

  private async _preview(): Promise<void> {
    const number = ++this._number;
    const made = element('div', '');
    try {
      const body = this._when();
      const { next_runs } = await ask<{ next_runs: string[] }>('POST', 'schedules/times', body);
      const list = element('ol', '');
      list.append(...next_runs.map(text => element('li', '', moment(text))));
      made.append(
        element('span', 'jp-Kfp-place', this._trans.__('Next runs')),
        next_runs.length ? list : element('p', '', this._trans.__('It would never run.'))
      );
    } catch (error) {
      made.append(element('span', 'jp-Kfp-wrong', reason(error)));
    }
    if (number === this._number && !this.isDisposed) {
      this._times.replaceChildren(made);
    }
  }

  private _profile: HTMLSelectElement;
  private _kind: HTMLSelectElement;
  private _unit: HTMLSelectElement;
  private _expression: HTMLElement;
  private _interval = element('div', 'jp-Kfp-actions');
  private _name = element('input', 'jp-Kfp-input');
  private _cron = element('input', 'jp-Kfp-input');
  private _every = element('input', 'jp-Kfp-input');
  private _start = element('input', 'jp-Kfp-input');
  private _end = element('input', 'jp-Kfp-input');
  private _concurrency = element('input', 'jp-Kfp-input');
  private _catchUp = element('input', '');
  private _times = element('div', 'jp-Kfp-times');
  private _timer = 0;
  private _number = 0;
}

/** Ask for the details of a schedule; null: none is to be made. */
export async function askForSchedule(
  profiles: IProfiles,
  usual: string,
  trans: TranslationBundle
): Promise<IScheduleBody | null> {
  const answer = await showDialog({
    title: trans.__('Schedule the Pipeline'),
    body: new ScheduleForm(profiles, usual, trans),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Schedule') })]
  });
  return answer.button.accept ? answer.value : null;
}

/** The schedules of the clusters that are set up. */
export async function schedules(
  trans: TranslationBundle,
  fail: (error: unknown) => void
): Promise<HTMLElement> {
  const { profiles, default: usual } = await ask<IProfiles>('GET', 'profiles');
  const made = element('div', '');
  if (!profiles.length) {
    made.append(element('p', 'jp-Kfp-empty', trans.__('No cluster is set up.')));
    return made;
  }
  const list = element('div', '');
  const update = async () => {
    try {
      list.replaceChildren(await listed(chosen.value, trans, update, fail));
    } catch (error) {
      list.replaceChildren(element('p', 'jp-Kfp-remedy', reason(error)));
    }
  };
  const chosen = select(
    profiles.map(one => [one.name, one.name]),
    () => void update()
  );
  chosen.value = usual ?? profiles[0].name;
  const head = element('div', 'jp-Kfp-actions');
  head.append(
    labelled(trans.__('Cluster'), chosen),
    button(trans.__('Refresh'), () => void update())
  );
  made.append(head, list);
  await update();
  return made;
}

async function listed(
  profile: string,
  trans: TranslationBundle,
  update: () => Promise<void>,
  fail: (error: unknown) => void
): Promise<HTMLElement> {
  const query = { profile };
  const found = await ask<{ schedules: ISchedule[] }>('GET', 'schedules', undefined, query);
  if (!found.schedules.length) {
    return element('p', 'jp-Kfp-empty', trans.__('No schedules.'));
  }
  const act = async (one: ISchedule, what: string) => {
    try {
      if (what === 'delete' && !(await isSure(one, trans))) {
        return;
      }
      await ask('POST', `schedules/${encodeURIComponent(one.schedule_id)}/${what}`, { profile });
    } catch (error) {
      fail(error);
    }
    await update();
  };
  const rows = found.schedules.map(one => {
    const actions = element('div', 'jp-Kfp-actions');
    const add = (what: string, word: string) => {
      const made = button(word, () => void act(one, what));
      made.setAttribute('aria-label', `${word}: ${one.name}`);
      actions.append(made);
    };
    if (one.enabled) {
      add('pause', trans.__('Pause'));
    } else {
      add('resume', trans.__('Resume'));
    }
    add('delete', trans.__('Delete'));
    const next = one.next_runs.length ? moment(one.next_runs[0]) : trans.__('none');
    const when = one.cron ?? trans.__('every %1 s', one.interval ?? 0);
    return [one.name, when, one.enabled ? next : trans.__('paused'), actions];
  });
  return table([trans.__('Name'), trans.__('When'), trans.__('Next run'), ''], rows);
}

async function isSure(one: ISchedule, trans: TranslationBundle): Promise<boolean> {
  const answer = await showDialog({
    title: trans.__('Delete the schedule %1?', one.name),
    body: trans.__('Its runs stay.'),
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Delete') })]
  });
  return answer.button.accept;
}
