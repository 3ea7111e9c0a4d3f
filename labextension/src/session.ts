// One open notebook: its preview as it is being edited, and the run that is shown for it.
import { INotebookContent, isCode } from '@jupyterlab/nbformat';
import { NotebookPanel } from '@jupyterlab/notebook';
import { Contents } from '@jupyterlab/services';
import { ISignal, Signal } from '@lumino/signaling';
import { ask, IPicture, IPreview, IRun, IRunDetails, isFinal, RequestError } from './api';
import { Followed } from './followed';
import { checked, forget, recall, remember, Texts } from './parameters';

export class Session {
  preview: IPreview | null = null;
  /** The run whose states are shown; none once the notebook was changed after its end. */
  readonly followed = new Followed();
  /** Why there is no preview. */
  problem: string | null = null;

  constructor(
    readonly panel: NotebookPanel,
    private _contents: Contents.IManager,
    private _delay: () => number
  ) {
    this.followed.changed.connect(() => this._changed.emit());
    void panel.context.ready.then(() => this._begin());
    panel.disposed.connect(() => this._dispose());
  }

  get run(): IRunDetails | null {
    return this.followed.run;
  }

  /** What is drawn: the run that is shown, else the notebook as it is. */
  get picture(): IPicture | null {
    const preview = this.preview;
    return (
      this.followed.picture ?? (preview?.svg ? { svg: preview.svg, boxes: preview.boxes } : null)
    );
  }

  /** The parameters as they were typed; those with their defaults are missing. */
  get texts(): Texts {
    return recall(this.path);
  }

  set texts(texts: Texts) {
    if (Object.keys(texts).length) {
      remember(this.path, texts);
    } else {
      forget(this.path);
    }
  }

  /** The values of the parameters that were typed. Throws Error where one is wrong. */
  get parameters(): Record<string, unknown> {
    return checked(this.preview?.parameters ?? [], this.texts);
  }

  get changed(): ISignal<Session, void> {
    return this._changed;
  }

  /** The path as the server knows it: without a drive such as collaboration's. */
  get path(): string {
    return this._contents.localPath(this.panel.context.path);
  }

  get isRunning(): boolean {
    return this.run !== null && !isFinal(this.run.state);
  }

  async save(): Promise<void> {
    if (this.panel.context.model.dirty) {
      await this.panel.context.save();
    }
  }

  /** Show a run, of this machine or of a cluster, and follow it. */
  async show(run: { run_id: string }): Promise<void> {
    this._runContent = this._content();
    await this.followed.show(run.run_id);
  }

  /** Draw these boxes as one node each. */
  async fold(folded: string[]): Promise<void> {
    if (this.run !== null) {
      await this.followed.fold(folded);
    } else {
      this._folded = folded;
      await this.refresh();
    }
  }

  /** There is news of a run. */
  heard(runId: string): void {
    this.followed.heard(runId);
  }

  /** Fetch the run that is shown. */
  async update(): Promise<void> {
    await this.followed.update();
  }

  private async _begin(): Promise<void> {
    this.panel.context.model.contentChanged.connect(this._edited, this);
    this.panel.context.pathChanged.connect(this._edited, this);
    this._sent = this._content();
    const refreshed = this.refresh();
    try {
      const { runs } = await ask<{ runs: IRun[] }>('GET', 'runs', undefined, {
        notebook: this.path,
        limit: '1'
      });
      // A run goes on while the page is loaded anew, or the server.
      if (runs.length && !isFinal(runs[0].state) && this.followed.runId === null) {
        await this.show(runs[0]);
      }
    } catch (error) {
      console.warn('jupyter-kfp: the runs of this notebook are not known.', error);
    }
    await refreshed;
  }

  private _edited(): void {
    window.clearTimeout(this._timer);
    this._timer = window.setTimeout(() => {
      const content = this._content();
      if (content === this._sent) {
        return; // outputs only
      }
      this._sent = content;
      void this._follow();
    }, this._delay());
  }

  /** Analyse what was edited; what is edited meanwhile is one more analysis, not one for every pause. */
  private async _follow(): Promise<void> {
    this._behind = true;
    if (this._following) {
      return;
    }
    this._following = true;
    while (this._behind && !this._disposed) {
      this._behind = false;
      await this.refresh();
    }
    this._following = false;
  }

  /** Analyse the notebook as it is now. */
  async refresh(): Promise<void> {
    const number = ++this._number;
    const content = this._content();
    if (this.run !== null && isFinal(this.run.state) && content !== this._runContent) {
      await this.followed.show(null);
    }
    try {
      const preview = await ask<IPreview>('POST', 'preview', {
        path: this.path,
        content: JSON.parse(content),
        folded: this._folded
      });
      if (number === this._number) {
        this.preview = preview;
        this.problem = null;
      }
    } catch (error) {
      if (number === this._number) {
        this.problem = error instanceof RequestError ? error.message : String(error);
      }
    }
    if (number === this._number && !this._disposed) {
      this._changed.emit();
    }
  }

  /** What the pipeline is made from: outputs do not matter, and would be many. */
  private _content(): string {
    // The signature is that of any document's model.
    const notebook = this.panel.context.model.toJSON() as INotebookContent;
    const cells = notebook.cells.map(cell =>
      isCode(cell) ? { ...cell, outputs: [], execution_count: null } : cell
    );
    return JSON.stringify({ ...notebook, cells });
  }

  private _dispose(): void {
    this._disposed = true;
    window.clearTimeout(this._timer);
    this.followed.dispose();
    Signal.clearData(this);
  }

  private _changed = new Signal<Session, void>(this);
  private _folded: string[] | null = null;
  private _runContent = '';
  private _sent = '';
  private _timer = 0;
  private _number = 0;
  private _behind = false;
  private _following = false;
  private _disposed = false;
}
