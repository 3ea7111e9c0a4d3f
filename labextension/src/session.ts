// One open notebook: its preview as it is being edited, and the run that is shown for it.
import { INotebookContent, isCode } from '@jupyterlab/nbformat';
import { NotebookPanel } from '@jupyterlab/notebook';
import { Contents } from '@jupyterlab/services';
import { ISignal, Signal } from '@lumino/signaling';
import { ask, IPreview, IRun, IRunDetails, isFinal, RequestError } from './api';

export class Session {
  preview: IPreview | null = null;
  /** The run whose states are shown; null once the notebook was changed after its end. */
  run: IRunDetails | null = null;
  picture: string | null = null;
  /** Why there is no preview. */
  problem: string | null = null;

  constructor(
    readonly panel: NotebookPanel,
    private _contents: Contents.IManager,
    private _delay: () => number
  ) {
    void panel.context.ready.then(() => this._begin());
    panel.disposed.connect(() => this._dispose());
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
    this._runId = run.run_id;
    this._runContent = this._content();
    await this.update();
  }

  /** There is news of a run. */
  heard(runId: string): void {
    if (runId === this._runId) {
      void this.update();
    }
  }

  /** Fetch the run that is shown; news that come meanwhile are fetched afterwards, once. */
  async update(): Promise<void> {
    if (this._updating) {
      this._again = true;
      return;
    }
    this._updating = true;
    try {
      do {
        this._again = false;
        await this._fetch(this._runId);
      } while (this._again && !this._disposed);
    } finally {
      this._updating = false;
    }
  }

  private async _fetch(runId: string | null): Promise<void> {
    if (runId === null) {
      return;
    }
    const [run, picture] = await Promise.all([
      ask<IRunDetails>('GET', `runs/${runId}`),
      ask<{ svg: string }>('GET', `runs/${runId}/picture`)
    ]);
    if (runId === this._runId && !this._disposed) {
      this.run = run;
      this.picture = picture.svg;
      this._changed.emit();
    }
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
      if (runs.length && !isFinal(runs[0].state) && this._runId === null) {
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
      void this.refresh();
    }, this._delay());
  }

  /** Analyse the notebook as it is now. */
  async refresh(): Promise<void> {
    const number = ++this._number;
    const content = this._content();
    if (this.run !== null && isFinal(this.run.state) && content !== this._runContent) {
      this.run = this.picture = this._runId = null;
    }
    try {
      const preview = await ask<IPreview>('POST', 'preview', {
        path: this.path,
        content: JSON.parse(content)
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
    Signal.clearData(this);
  }

  private _changed = new Signal<Session, void>(this);
  private _runId: string | null = null;
  private _runContent = '';
  private _sent = '';
  private _timer = 0;
  private _number = 0;
  private _updating = false;
  private _again = false;
  private _disposed = false;
}
