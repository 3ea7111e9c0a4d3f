// A run that is shown, kept up to date.
import { ISignal, Signal } from '@lumino/signaling';
import { ask, IPicture, IRunDetails, isFinal } from './api';

export class Followed {
  run: IRunDetails | null = null;
  picture: IPicture | null = null;

  get changed(): ISignal<Followed, void> {
    return this._changed;
  }

  get runId(): string | null {
    return this._runId;
  }

  /** Show a run, or none. */
  async show(runId: string | null): Promise<void> {
    if (runId !== this._runId) {
      this._runId = runId;
      this.run = this.picture = null;
      this._folded = null;
    }
    await this.update();
  }

  /** Draw these boxes as one node each. */
  async fold(boxes: string[]): Promise<void> {
    this._folded = boxes;
    await this.update();
  }

  /** There is news of a run. */
  heard(runId: string): void {
    if (runId === this._runId) {
      this.update().catch(() => undefined); // the connection is lost; it will be caught up
    }
  }

  /** Fetch a run that was going on when it was last looked at: its events may have been lost. */
  async catchUp(): Promise<void> {
    if (this.run !== null && !isFinal(this.run.state)) {
      await this.update();
    }
  }

  /** Fetch the run; news that come meanwhile are fetched afterwards, once. */
  async update(): Promise<void> {
    if (this._updating) {
      this._again = true;
      return;
    }
    this._updating = true;
    try {
      do {
        this._again = false;
        await this._fetch();
      } while (this._again && !this._disposed);
    } finally {
      this._updating = false;
    }
  }

  dispose(): void {
    this._disposed = true;
    Signal.clearData(this);
  }

  private async _fetch(): Promise<void> {
    const runId = this._runId;
    if (runId !== null) {
      const query = this._folded === null ? {} : { folded: this._folded.join(',') };
      const [run, picture] = await Promise.all([
        ask<IRunDetails>('GET', `runs/${runId}`),
        ask<IPicture>('GET', `runs/${runId}/picture`, undefined, query as Record<string, string>)
      ]);
      if (runId !== this._runId || this._disposed) {
        return;
      }
      this.run = run;
      this.picture = picture;
    }
    this._changed.emit();
  }

  private _changed = new Signal<Followed, void>(this);
  private _runId: string | null = null;
  private _folded: string[] | null = null;
  private _updating = false;
  private _again = false;
  private _disposed = false;
}
