// A run in one line: how it stands, how it ended, and why.
import { TranslationBundle } from '@jupyterlab/translation';
import { IRunDetails, isFinal } from './api';
import { shown, since, stateWord } from './dom';

const SHOWN_OUTPUTS = 3;

export function explained(run: IRunDetails, trans: TranslationBundle): string {
  const word = stateWord(run.state, trans);
  const ended = run.tasks.filter(task => isFinal(task.state)).length;
  const all = run.tasks.length;
  if (!isFinal(run.state)) {
    return `${word}: ${trans.__('%1 of %2 steps have ended', ended, all)}`;
  }
  const took = since(run.started_at, run.ended_at);
  const begin = took ? trans.__('%1 in %2', word, took) : word;
  const good = run.tasks.filter(task => task.state === 'SUCCEEDED' || task.state === 'CACHED');
  switch (run.state) {
    case 'FAILED': {
      const failed = run.tasks.find(task => task.state === 'FAILED');
      if (failed === undefined) {
        return run.error ? `${begin}: ${run.error}` : begin;
      }
      // The error itself says which cell and line.
      return `${begin}, ${trans.__('step %1', failed.path)}: ${failed.error ?? run.error ?? ''}`;
    }
    case 'CANCELED':
      return `${begin}: ${trans.__('%1 of %2 steps were done', good.length, all)}`;
    default: {
      const cached = run.tasks.filter(task => task.state === 'CACHED').length;
      const outputs = Object.entries(run.outputs)
        .filter(([, value]) => typeof value !== 'object')
        .slice(0, SHOWN_OUTPUTS)
        .map(([name, value]) => `${name} = ${shown(value)}`);
      const steps = cached
        ? trans.__('%1 steps, %2 from the cache', good.length, cached)
        : trans._n('%1 step', '%1 steps', good.length);
      return `${begin}: ${[steps, ...outputs].join(' · ')}`;
    }
  }
}
