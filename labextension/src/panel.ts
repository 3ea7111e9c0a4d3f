// The panel on the right and its tabs.
import { TranslationBundle } from '@jupyterlab/translation';
import { LabIcon } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { IRun } from './api';
import { ArtifactsTab } from './artifacts';
import { button, element } from './dom';
import { Followed } from './followed';
import { IPipelineActions, PipelineTab } from './pipeline';
import { problems } from './problems';
import { IRunsActions, RunsTab } from './runs';
import { Session } from './session';

export type Tab = 'pipeline' | 'problems' | 'runs' | 'artifacts';
const TABS: Tab[] = ['pipeline', 'problems', 'runs', 'artifacts'];

export interface IActions extends IPipelineActions, IRunsActions {
  jump(session: Session, cell: number, line: number | null): void;
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
    this._pipeline = new PipelineTab(this._pages.pipeline, _trans, _actions);
    const notebook = () => this._session?.path ?? null;
    this._runs = new RunsTab(this._pages.runs, _trans, _actions, notebook);
    this._artifacts = new ArtifactsTab(this._pages.artifacts, _trans);
    this._alone.changed.connect(this._draw, this);
    this.choose('pipeline');
    this._draw();
  }

  set session(session: Session | null) {
    if (session === this._session) {
      return;
    }
    this._session?.changed.disconnect(this._draw, this);
    this._session = session;
    session?.changed.connect(this._draw, this);
    this._isAlone = false;
    this._draw();
  }

  /** Show a run that is of no notebook here, until another notebook is looked at. */
  async showAlone(run: IRun): Promise<void> {
    this._isAlone = true;
    await this._alone.show(run.run_id);
    this.choose('pipeline');
  }

  /** See to a run that is shown by itself. */
  async catchUp(): Promise<void> {
    await this._alone.catchUp();
  }

  /** There is news of a run. */
  heard(runId: string): void {
    this._alone.heard(runId);
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
    this._drawArtifacts();
  }

  /** Fetch the runs, where they are shown. */
  async listRuns(): Promise<void> {
    if (this._tab === 'runs' && this.isVisible) {
      await this._runs.update();
    }
  }

  protected override onAfterShow(_message: Message): void {
    void this.listRuns();
  }

  private _makeTabs(): void {
    const words: Record<Tab, string> = {
      pipeline: this._trans.__('Pipeline'),
      problems: this._trans.__('Problems'),
      runs: this._trans.__('Runs'),
      artifacts: this._trans.__('Artifacts')
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
      page.tabIndex = 0; // it can be scrolled with the keyboard
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
  }

  private get _followed(): Followed | null {
    return this._isAlone ? this._alone : (this._session?.followed ?? null);
  }

  private _draw(): void {
    this._pipeline.show(this._isAlone ? null : this._session, this._followed);
    this._drawProblems();
    this._drawArtifacts();
  }

  private _drawArtifacts(): void {
    if (this._tab === 'artifacts') {
      this._artifacts.update(this._followed?.run ?? null);
    }
  }

  private _drawProblems(): void {
    const session = this._session;
    const found = session?.preview?.findings ?? [];
    const errors = found.filter(one => one.severity === 'error').length;
    const tab = this._tabs.problems;
    tab.textContent = this._trans.__('Problems') + (found.length ? ` (${found.length})` : '');
    tab.classList.toggle('jp-mod-error', errors > 0);
    const jump = (cell: number, line: number | null) => {
      if (session) {
        this._actions.jump(session, cell, line);
      }
    };
    this._pages.problems.replaceChildren(problems(found, this._trans, jump));
  }

  private _session: Session | null = null;
  /** Shows a run of no notebook. */
  private _alone = new Followed();
  private _isAlone = false;
  private _tab: Tab = 'pipeline';
  private _tabs = {} as Record<Tab, HTMLButtonElement>;
  private _pages = {} as Record<Tab, HTMLElement>;
  private _pipeline: PipelineTab;
  private _runs: RunsTab;
  private _artifacts: ArtifactsTab;
}
