// The panel on the right: Pipeline, Problems, Runs.
import { TranslationBundle } from '@jupyterlab/translation';
import { LabIcon } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { ask, IFinding, IRun, isFinal } from './api';
import { button, drawing, element, since, stateWord } from './dom';
import { Session } from './session';

export type Tab = 'pipeline' | 'problems' | 'runs';
const TABS: Tab[] = ['pipeline', 'problems', 'runs'];

export interface IActions {
  jump(session: Session, cell: number, line: number | null): void;
  open(run: IRun): void;
  stop(): void;
  fail(error: unknown): void;
}

export class PipelinePanel extends Widget {
  constructor(
    private _trans: TranslationBundle,
    private _actions: IActions,
    icon: LabIcon
  ) {
    super();
    this.id = 'jupyter-kfp-panel';
    this.addClass('jp-Kfp');
    this.title.icon = icon;
    this.title.caption = _trans.__('Pipeline');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', _trans.__('Pipeline'));
    this._makeTabs();
  }

  set session(session: Session | null) {
    this._session?.changed.disconnect(this._draw, this);
    this._session = session;
    session?.changed.connect(this._draw, this);
    this._draw();
  }

  /** Show a tab. */
  choose(tab: Tab, focus = false): void {
    this._tab = tab;
    for (const name of TABS) {
      const chosen = name === tab;
      this._tabs[name].setAttribute('aria-selected', String(chosen));
      this._tabs[name].tabIndex = chosen ? 0 : -1;
      this._pages[name].hidden = !chosen;
    }
    if (focus) {
      this._tabs[tab].focus();
    }
    if (tab === 'runs') {
      void this.listRuns();
    }
  }

  /** Fetch the runs, where they are shown. */
  async listRuns(): Promise<void> {
    if (this._tab !== 'runs' || !this.isVisible) {
      return;
    }
    try {
      const { runs } = await ask<{ runs: IRun[] }>('GET', 'runs');
      this._drawRuns(runs);
    } catch (error) {
      this._pages.runs.replaceChildren(element('p', 'jp-Kfp-empty', String(error)));
    }
  }

  protected override onAfterShow(_message: Message): void {
    void this.listRuns();
  }

  private _makeTabs(): void {
    const words: Record<Tab, string> = {
      pipeline: this._trans.__('Pipeline'),
      problems: this._trans.__('Problems'),
      runs: this._trans.__('Runs')
    };
    const list = element('div', 'jp-Kfp-tabs');
    list.setAttribute('role', 'tablist');
    list.setAttribute('aria-label', this._trans.__('Views of the pipeline'));
    this.node.append(list);
    for (const name of TABS) {
      const tab = button(words[name], () => this.choose(name));
      tab.setAttribute('role', 'tab');
      tab.id = `jupyter-kfp-tab-${name}`;
      tab.setAttribute('aria-controls', `jupyter-kfp-page-${name}`);
      const page = element('div', 'jp-Kfp-page');
      page.setAttribute('role', 'tabpanel');
      page.id = `jupyter-kfp-page-${name}`;
      page.setAttribute('aria-labelledby', tab.id);
      list.append(tab);
      this.node.append(page);
      this._tabs[name] = tab;
      this._pages[name] = page;
    }
    list.addEventListener('keydown', event => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) {
        const next = (TABS.indexOf(this._tab) + step + TABS.length) % TABS.length;
        this.choose(TABS[next], true);
        event.preventDefault();
      }
    });
    this.choose('pipeline');
    this._draw();
  }

  private _draw(): void {
    this._drawPipeline();
    this._drawProblems();
  }

  private _drawPipeline(): void {
    const page = this._pages.pipeline;
    const session = this._session;
    if (session === null) {
      page.replaceChildren(
        element('p', 'jp-Kfp-empty', this._trans.__('Open a notebook to see its pipeline.'))
      );
      return;
    }
    const { top, left } = { top: page.scrollTop, left: page.scrollLeft };
    const parts: Node[] = [this._status(session)];
    const svg = session.picture ?? session.preview?.svg;
    if (svg) {
      parts.push(drawing(svg));
    } else if (session.preview) {
      parts.push(
        element(
          'p',
          'jp-Kfp-empty',
          this._trans.__('The notebook has errors; see Problems. The picture returns without them.')
        )
      );
    }
    page.replaceChildren(...parts);
    page.scrollTo(left, top);
  }

  /** One line that says how it stands; read out when it changes. */
  private _status(session: Session): HTMLElement {
    const line = element('div', 'jp-Kfp-status');
    const text = element('span', '');
    text.setAttribute('role', 'status');
    line.append(text);
    const run = session.run;
    if (session.problem) {
      text.textContent = session.problem;
    } else if (run) {
      line.dataset.state = run.state;
      const done = run.tasks.filter(task => isFinal(task.state)).length;
      const word = stateWord(run.state, this._trans);
      text.textContent = isFinal(run.state)
        ? `${word} (${since(run.started_at, run.ended_at)})${run.error ? `: ${run.error}` : ''}`
        : `${word}: ${this._trans.__('%1 of %2 steps have ended', done, run.tasks.length)}`;
      if (!isFinal(run.state)) {
        line.append(button(this._trans.__('Stop'), () => this._actions.stop()));
      }
    } else {
      text.textContent = session.preview
        ? this._trans.__('As edited: %1', session.preview.name)
        : this._trans.__('Reading the notebook…');
    }
    return line;
  }

  private _drawProblems(): void {
    const found = this._session?.preview?.findings ?? [];
    const errors = found.filter(one => one.severity === 'error').length;
    const tab = this._tabs.problems;
    tab.textContent = this._trans.__('Problems') + (found.length ? ` (${found.length})` : '');
    tab.classList.toggle('jp-mod-error', errors > 0);
    const list = element('ul', 'jp-Kfp-list');
    list.append(...found.map(one => this._problem(one)));
    this._pages.problems.replaceChildren(
      found.length ? list : element('p', 'jp-Kfp-empty', this._trans.__('No problems.'))
    );
  }

  private _problem(found: IFinding): HTMLElement {
    const session = this._session;
    const item = element('li', `jp-Kfp-problem jp-mod-${found.severity}`);
    const place =
      found.cell === null
        ? this._trans.__('Notebook')
        : found.line === null
          ? this._trans.__('Cell %1', found.cell + 1)
          : this._trans.__('Cell %1, line %2', found.cell + 1, found.line);
    const severity =
      found.severity === 'error' ? this._trans.__('error') : this._trans.__('warning');
    const link = button('', () => {
      if (session && found.cell !== null) {
        this._actions.jump(session, found.cell, found.line);
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

  private _drawRuns(runs: IRun[]): void {
    const page = this._pages.runs;
    const list = element('ul', 'jp-Kfp-list');
    list.append(...runs.map(run => this._run(run)));
    const refresh = button(this._trans.__('Refresh'), () => void this.listRuns());
    const head = element('div', 'jp-Kfp-status', this._trans.__('Runs here and on clusters'));
    head.append(refresh);
    page.replaceChildren(
      head,
      runs.length ? list : element('p', 'jp-Kfp-empty', this._trans.__('No runs yet.'))
    );
  }

  private _run(run: IRun): HTMLElement {
    const item = element('li', 'jp-Kfp-run');
    item.dataset.state = run.state;
    const open = button('', () => this._actions.open(run));
    open.append(
      element('span', 'jp-Kfp-place', run.name),
      element(
        'span',
        '',
        [
          stateWord(run.state, this._trans),
          isFinal(run.state) ? since(run.started_at, run.ended_at) : '',
          run.url ? this._trans.__('on a cluster') : ''
        ]
          .filter(part => part)
          .join(' · ')
      )
    );
    if (run.error) {
      open.append(element('span', 'jp-Kfp-remedy', run.error));
    }
    item.append(open);
    if (!isFinal(run.state)) {
      item.append(this._act(run, 'cancel', this._trans.__('Cancel'), this._trans.__('Cancel run')));
    } else if (run.url && run.state === 'FAILED') {
      item.append(this._act(run, 'retry', this._trans.__('Retry'), this._trans.__('Retry run')));
    }
    return item;
  }

  private _act(run: IRun, what: string, word: string, label: string): HTMLElement {
    const made = button(word, async () => {
      made.disabled = true;
      try {
        await ask('POST', `runs/${run.run_id}/${what}`);
      } catch (error) {
        this._actions.fail(error);
      }
      void this.listRuns();
    });
    made.setAttribute('aria-label', `${label} ${run.name}`);
    return made;
  }

  private _session: Session | null = null;
  private _tab: Tab = 'pipeline';
  private _tabs = {} as Record<Tab, HTMLButtonElement>;
  private _pages = {} as Record<Tab, HTMLElement>;
}
