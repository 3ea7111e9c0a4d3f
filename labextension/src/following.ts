// The runs that are going on, here and on clusters, and which of them have ended.
import { ISignal, Signal } from '@lumino/signaling';
import { ask, IRun, isFinal, State } from './api';

export class Following {
  /** Newest first. */
  get going(): readonly IRun[] {
    return this._going;
  }

  /** Other runs are going on, or they stand otherwise. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** A run has ended; once for each. */
  get ended(): ISignal<this, IRun> {
    return this._ended;
  }

  /** The server has told a state of a run. */
  async heard(runId: string, state: State | null): Promise<void> {
    if (state !== null && isFinal(state)) {
      await this._end(runId);
    }
    await this.refresh();
  }

  /** Fetch the runs that are going on. One request at a time; what is asked for meanwhile comes after it, once. */
  async refresh(): Promise<void> {
    if (this._fetching) {
      this._again = true;
      return;
    }
    this._fetching = true;
    try {
      do {
        this._again = false;
        await this._fetch();
      } while (this._again);
    } finally {
      this._fetching = false;
    }
  }

  private async _fetch(): Promise<void> {
    const lists = await Promise.all(
      ['RUNNING', 'PENDING'].map(state =>
        ask<{ runs: IRun[] }>('GET', 'runs', undefined, { state, limit: '200' })
      )
    );
    const before = this._going;
    // A run that has begun between the two answers is in both.
    const found = new Map(lists.flatMap(list => list.runs).map(run => [run.run_id, run]));
    this._going = [...found.values()].sort((a, b) => b.created_at.localeCompare(a.created_at));
    this._changed.emit();
    // The server follows a run on a cluster once somebody looks at it.
    const remote = this._going.filter(run => run.url !== null && !this._asked.has(run.run_id));
    remote.forEach(run => this._asked.add(run.run_id));
    await Promise.all(remote.map(run => ask<IRun>('GET', `runs/${run.run_id}`)));
    for (const run of before) {
      if (!found.has(run.run_id)) {
        await this._end(run.run_id);
      }
    }
  }

  private async _end(runId: string): Promise<void> {
    if (this._known.has(runId)) {
      return;
    }
    this._known.add(runId);
    const run = await ask<IRun>('GET', `runs/${runId}`);
    if (isFinal(run.state)) {
      this._ended.emit(run);
    } else {
      this._known.delete(runId); // it has been resumed
    }
  }

  private _going: IRun[] = [];
  private _known = new Set<string>();
  private _asked = new Set<string>();
  private _fetching = false;
  private _again = false;
  private _changed = new Signal<this, void>(this);
  private _ended = new Signal<this, IRun>(this);
}
