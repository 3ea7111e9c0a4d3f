// What is known of one step: before a run its code and options, afterwards what it did and left.
import { TranslationBundle } from '@jupyterlab/translation';
import { ask, IArtifact, IRunDetails, IStep, ITask, ITaskDetails, taskPath } from './api';
import { preview, typeWord } from './artifact';
import { button, element, pairs, reason, section, since, stateWord, table } from './dom';

const TAIL = '20000';
/** What is looked at without being asked for. */
const FIGURES = ['system.HTML', 'system.Markdown'];

export interface IDetailActions {
  openNotebook(runId: string, task: string): void;
  close(): void;
}

function bare(path: string): string {
  return path.replace(/\[\d+\]/g, '');
}

export class DetailsView {
  readonly node = element('section', 'jp-Kfp-details');

  constructor(
    private _trans: TranslationBundle,
    private _actions: IDetailActions
  ) {
    this.node.setAttribute('aria-label', _trans.__('Details of the step'));
    this.node.hidden = true;
  }

  /** Show a node of the picture; null: nothing. What is shown already stays until it changes. */
  update(id: string | null, run: IRunDetails | null, step: IStep | null): void {
    this.node.hidden = id === null;
    if (id === null) {
      this._signature = '';
      return;
    }
    const tasks = (run?.tasks ?? []).filter(task => bare(task.path) === id);
    if (id !== this._id) {
      this._id = id;
      this._iteration = null;
    }
    const task = tasks.find(one => one.path === this._iteration) ?? tasks[0] ?? null;
    const signature = JSON.stringify([
      id,
      run?.run_id,
      task,
      tasks.map(one => one.state),
      run ? 0 : step
    ]);
    if (signature !== this._signature) {
      this._signature = signature;
      const again = () => {
        this._signature = '';
        this.update(id, run, step);
      };
      this._draw(id, run, step, tasks, task, again);
    }
  }

  private _draw(
    id: string,
    run: IRunDetails | null,
    step: IStep | null,
    tasks: ITask[],
    task: ITask | null,
    again: () => void
  ): void {
    const head = element('div', 'jp-Kfp-status');
    head.append(element('h3', '', task?.path ?? id));
    const close = button('✕', () => this._actions.close());
    close.setAttribute('aria-label', this._trans.__('Close the details'));
    head.append(close);
    const parts: Node[] = [head];
    const isLoop = tasks.some(one => one.path !== id);
    if (isLoop) {
      parts.push(this._iterations(tasks, task, again));
    }
    const body = element('div', '');
    if (run !== null && task !== null) {
      void this._fetch(run.run_id, task, body);
    } else if (step !== null) {
      body.append(...this._planned(step));
    } else {
      body.append(element('p', 'jp-Kfp-empty', this._trans.__('This step has not begun.')));
    }
    parts.push(body);
    this.node.replaceChildren(...parts);
  }

  private _iterations(tasks: ITask[], task: ITask | null, again: () => void): HTMLElement {
    const list = element('div', 'jp-Kfp-iterations');
    list.setAttribute('role', 'group');
    list.setAttribute('aria-label', this._trans._n('%1 iteration', '%1 iterations', tasks.length));
    list.append(element('span', '', this._trans._n('%1 iteration', '%1 iterations', tasks.length)));
    for (const one of tasks) {
      const indices = one.path.match(/\[\d+\]/g) ?? [];
      const chosen = button(indices.join(''), () => {
        this._iteration = one.path;
        again();
      });
      chosen.dataset.state = one.state;
      chosen.title = stateWord(one.state, this._trans);
      chosen.setAttribute('aria-pressed', String(one === task));
      list.append(chosen);
    }
    return list;
  }

  private _planned(step: IStep): Node[] {
    const ports = (all: IStep['inputs']) =>
      pairs(Object.fromEntries(all.map(port => [port.name, port.type])));
    return [
      section(this._trans.__('Code'), () => element('pre', 'jp-Kfp-text', step.code), true),
      section(this._trans.__('Options'), () => pairs(step.options)),
      section(this._trans.__('Inputs'), () => ports(step.inputs), step.inputs.length > 0),
      section(this._trans.__('Outputs'), () => ports(step.outputs), step.outputs.length > 0)
    ];
  }

  private async _fetch(runId: string, task: ITask, body: HTMLElement): Promise<void> {
    try {
      const found = await ask<ITaskDetails>('GET', taskPath(runId, task.path));
      body.replaceChildren(...this._executed(runId, found));
    } catch (error) {
      body.replaceChildren(element('p', 'jp-Kfp-remedy', reason(error)));
    }
  }

  private _executed(runId: string, task: ITaskDetails): Node[] {
    const trans = this._trans;
    const took = since(task.started_at, task.ended_at);
    const line = element(
      'p',
      '',
      [stateWord(task.state, trans), took].filter(one => one).join(' · ')
    );
    const parts: Node[] = [line];
    if (task.error) {
      const text = element('pre', 'jp-Kfp-text jp-mod-error', task.error);
      parts.push(text);
      if (task.traceback) {
        parts.push(section('Traceback', () => element('pre', 'jp-Kfp-text', task.traceback ?? '')));
      }
    }
    if (task.has_notebook) {
      parts.push(
        button(trans.__('Open Executed Notebook'), () =>
          this._actions.openNotebook(runId, task.path)
        )
      );
    }
    if (Object.keys(task.metrics).length) {
      const rows = Object.entries(task.metrics).map(([name, value]) => [name, String(value)]);
      parts.push(
        section(
          trans.__('Metrics'),
          () => table([trans.__('Metric'), trans.__('Value')], rows),
          true
        )
      );
    }
    parts.push(
      section(trans.__('Code'), () =>
        element('pre', 'jp-Kfp-text', task.code ?? trans.__('Not known yet.'))
      ),
      section(trans.__('Options'), () => pairs(task.options)),
      section(trans.__('Log'), () => this._log(runId, task), task.state === 'FAILED'),
      section(trans.__('Attempts (%1)', task.tries.length), () => this._attempts(task)),
      this._ports(runId, task, trans.__('Inputs'), task.input_parameters, task.input_artifacts),
      this._ports(runId, task, trans.__('Outputs'), task.output_parameters, task.output_artifacts)
    );
    return parts;
  }

  private async _log(runId: string, task: ITask): Promise<Node> {
    const path = `${taskPath(runId, task.path)}/log`;
    const { text } = await ask<{ text: string }>('GET', path, undefined, { tail: TAIL });
    return element('pre', 'jp-Kfp-text', text || this._trans.__('It printed nothing.'));
  }

  private _attempts(task: ITaskDetails): Node {
    const rows = task.tries.map(one => [
      String(one.number),
      stateWord(one.state, this._trans),
      since(one.started_at, one.ended_at),
      one.error ?? ''
    ]);
    const columns = ['#', this._trans.__('State'), this._trans.__('Time'), this._trans.__('Error')];
    return table(columns, rows);
  }

  private _ports(
    runId: string,
    task: ITask,
    title: string,
    values: Record<string, unknown>,
    artifacts: IArtifact[]
  ): HTMLElement {
    const fill = () => {
      const made = element('div', '');
      made.append(pairs(values));
      for (const one of artifacts) {
        const name = one.index ? `${one.port}[${one.index}]` : one.port;
        const look = () => preview(runId, task.path, one, this._trans);
        const isFigure = FIGURES.includes(one.type) && one.port !== 'executed_html';
        made.append(section(`${name}: ${typeWord(one)}`, look, isFigure));
      }
      return made;
    };
    return section(title, fill, Object.keys(values).length + artifacts.length > 0);
  }

  private _id: string | null = null;
  private _iteration: string | null = null;
  private _signature = '';
}
