// The tab Runs: those of this machine and of clusters, to find, open, end, continue and compare.
import { TranslationBundle } from '@jupyterlab/translation';
import { ask, IRun, isFinal, State } from './api';
import { comparison } from './compare';
import { button, element, reason, section, select, since, stateWord } from './dom';
import { schedules } from './schedules';

const STATES: State[] = ['PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELED'];
const DELAY = 300;

export interface IRunsActions {
  open(run: IRun): void;
  fail(error: unknown): void;
}

export class RunsTab {
  constructor(
    page: HTMLElement,
    private _trans: TranslationBundle,
    private _actions: IRunsActions,
    private _notebook: () => string | null
  ) {
    const update = () => void this.update();
    this._text.type = 'search';
    this._text.placeholder = _trans.__('Filter runs');
    this._text.setAttribute('aria-label', _trans.__('Filter runs'));
    this._text.addEventListener('input', () => {
      window.clearTimeout(this._timer);
      this._timer = window.setTimeout(update, DELAY);
    });
    const any: [string, string] = ['', _trans.__('Any state')];
    this._state = select(
      [any, ...STATES.map((state): [string, string] => [state, stateWord(state, _trans)])],
      update
    );
    this._state.setAttribute('aria-label', _trans.__('State'));
    this._mine.type = 'checkbox';
    this._mine.addEventListener('change', update);
    const mine = element('label', 'jp-Kfp-check');
    mine.append(this._mine, _trans.__('This notebook'));
    this._compare = button(_trans.__('Compare'), () => void this._showComparison());
    this._compare.title = _trans.__('Choose two runs to compare their parameters and metrics');
    const filter = element('div', 'jp-Kfp-filter');
    filter.append(this._text, this._state, mine);
    const head = element('div', 'jp-Kfp-actions');
    head.append(button(_trans.__('Refresh'), update), this._compare);
    const scheduled = section(_trans.__('Schedules'), () => schedules(_trans, _actions.fail));
    page.replaceChildren(filter, head, this._comparison, this._list, scheduled);
    this._choose();
  }

  /** Fetch the runs. */
  async update(): Promise<void> {
    const number = ++this._number;
    const query: Record<string, string> = {};
    const notebook = this._notebook();
    if (this._text.value) {
      query.text = this._text.value;
    }
    if (this._state.value) {
      query.state = this._state.value;
    }
    if (this._mine.checked && notebook !== null) {
      query.notebook = notebook;
    }
    try {
      const { runs } = await ask<{ runs: IRun[] }>('GET', 'runs', undefined, query);
      if (number === this._number) {
        this._draw(runs, Object.keys(query).length > 0);
      }
    } catch (error) {
      this._list.replaceChildren(element('p', 'jp-Kfp-empty', reason(error)));
    }
  }

  private _draw(runs: IRun[], filtered: boolean): void {
    this._runs = runs;
    const known = new Set(runs.map(run => run.run_id));
    this._chosen = this._chosen.filter(id => known.has(id));
    const empty = filtered ? this._trans.__('No such runs.') : this._trans.__('No runs yet.');
    const list = element('ul', 'jp-Kfp-list');
    list.setAttribute('aria-label', this._trans.__('Runs here and on clusters'));
    list.append(...runs.map(run => this._run(run)));
    this._list.replaceChildren(runs.length ? list : element('p', 'jp-Kfp-empty', empty));
    this._choose();
  }

  private _run(run: IRun): HTMLElement {
    const item = element('li', 'jp-Kfp-run');
    item.dataset.state = run.state;
    const box = element('input', '');
    box.type = 'checkbox';
    box.checked = this._chosen.includes(run.run_id);
    box.setAttribute('aria-label', this._trans.__('Compare run %1', run.name));
    box.addEventListener('change', () => {
      const others = this._chosen.filter(id => id !== run.run_id);
      this._chosen = box.checked ? [...others, run.run_id] : others;
      this._choose();
    });
    const open = button('', () => this._actions.open(run));
    const facts = [
      stateWord(run.state, this._trans),
      isFinal(run.state) ? since(run.started_at, run.ended_at) : '',
      run.url ? this._trans.__('on a cluster') : '',
      run.run_id.slice(0, 6)
    ];
    open.append(
      element('span', 'jp-Kfp-place', run.name),
      element('span', '', facts.filter(part => part).join(' · '))
    );
    if (run.error) {
      open.append(element('span', 'jp-Kfp-remedy', run.error));
    }
    item.append(open, box, ...this._operations(run));
    return item;
  }

  /** What can be done with a run, as its state and place allow. */
  private _operations(run: IRun): HTMLElement[] {
    const trans = this._trans;
    if (!isFinal(run.state)) {
      return [this._act(run, 'cancel', trans.__('Cancel'), trans.__('Cancel run'))];
    }
    const canResume = run.url === null && (run.state === 'CANCELED' || run.interrupted);
    if (canResume) {
      return [this._act(run, 'resume', trans.__('Resume'), trans.__('Resume run'))];
    }
    return run.state === 'FAILED'
      ? [this._act(run, 'retry', trans.__('Retry'), trans.__('Retry run'))]
      : [];
  }

  private _act(run: IRun, what: string, word: string, label: string): HTMLElement {
    const made = button(word, async () => {
      made.disabled = true;
      try {
        await ask('POST', `runs/${run.run_id}/${what}`);
      } catch (error) {
        this._actions.fail(error);
      }
      void this.update();
    });
    made.setAttribute('aria-label', `${label} ${run.name}`);
    return made;
  }

  private _choose(): void {
    this._compare.disabled = this._chosen.length !== 2;
  }

  private async _showComparison(): Promise<void> {
    const chosen = this._runs.filter(run => this._chosen.includes(run.run_id));
    try {
      const made = await comparison([chosen[0], chosen[1]], this._trans);
      const close = button(this._trans.__('Close'), () => this._comparison.replaceChildren());
      close.setAttribute('aria-label', this._trans.__('Close the comparison'));
      this._comparison.replaceChildren(made, close);
    } catch (error) {
      this._actions.fail(error);
    }
  }

  private _text = element('input', 'jp-Kfp-input');
  private _state: HTMLSelectElement;
  private _mine = element('input', '');
  private _compare: HTMLButtonElement;
  private _comparison = element('div', '');
  private _list = element('div', '');
  private _runs: IRun[] = [];
  private _chosen: string[] = [];
  private _timer = 0;
  private _number = 0;
}
