// The tab Pipeline: how it stands, the parameters, the picture, and the step that was chosen.
import { TranslationBundle } from '@jupyterlab/translation';
import { isFinal } from './api';
import { DetailsView } from './details';
import { button, element } from './dom';
import { Followed } from './followed';
import { GraphView } from './graph';
import { ParametersForm } from './parameters';
import { Session } from './session';
import { explained } from './status';

export interface IPipelineActions {
  run(): void;
  stop(): void;
  openNotebook(runId: string, task: string): void;
  fail(error: unknown): void;
}

export class PipelineTab {
  constructor(
    page: HTMLElement,
    private _trans: TranslationBundle,
    private _actions: IPipelineActions
  ) {
    this._text.setAttribute('role', 'status');
    const stop = button(_trans.__('Stop'), () => _actions.stop());
    this._stop = stop;
    this._link.target = '_blank';
    this._link.rel = 'noopener';
    this._link.textContent = _trans.__('On the cluster');
    this._line.append(this._text, this._link, stop);
    this._form = new ParametersForm(_trans, () => _actions.run());
    this._parameters.append(element('summary', '', _trans.__('Parameters')), this._form.node);
    this._parameters.open = true;
    this._graph = new GraphView(
      id => {
        this._chosen = id;
        this.draw();
        this._details.node.scrollIntoView?.({ block: 'nearest' });
      },
      boxes => this._fold(boxes)
    );
    this._details = new DetailsView(_trans, {
      openNotebook: (runId, task) => _actions.openNotebook(runId, task),
      close: () => {
        this._chosen = null;
        this.draw();
      }
    });
    page.replaceChildren(
      this._line,
      this._parameters,
      this._graph.node,
      this._empty,
      this._details.node
    );
  }

  /** Show a notebook, or a run that is of none; null where there is nothing. */
  show(session: Session | null, followed: Followed | null): void {
    if (session !== this._session || followed !== this._followed) {
      this._chosen = null;
    }
    this._session = session;
    this._followed = followed;
    this.draw();
  }

  draw(): void {
    const session = this._session;
    const run = this._followed?.run ?? null;
    const picture = session?.picture ?? this._followed?.picture ?? null;
    this._drawLine();
    const parameters = session?.preview?.parameters ?? [];
    this._parameters.hidden = !session || !parameters.length;
    if (session?.preview) {
      const save = (texts: Session['texts']) => {
        session.texts = texts;
      };
      this._form.update(parameters, session.path, session.texts, save);
    }
    this._graph.draw(picture?.svg ?? null, picture?.boxes ?? [], this._chosen);
    this._empty.textContent =
      session === null && run === null
        ? this._trans.__('Open a notebook to see its pipeline.')
        : picture === null && session?.preview
          ? this._trans.__(
              'The notebook has errors; see Problems. The picture returns without them.'
            )
          : '';
    const step = session?.preview?.steps.find(one => one.path === this._chosen) ?? null;
    this._details.update(this._chosen, run, step);
  }

  /** One line that says how it stands; read out when it changes. */
  private _drawLine(): void {
    const session = this._session;
    const run = this._followed?.run ?? null;
    delete this._line.dataset.state;
    this._line.hidden = session === null && run === null;
    this._stop.hidden = session === null || run === null || isFinal(run.state);
    // An address of another kind would be executed here.
    const url = run?.url && /^https?:/.test(run.url) ? run.url : null;
    this._link.hidden = url === null;
    this._link.href = url ?? '';
    let text: string;
    if (session?.problem) {
      text = session.problem;
    } else if (run) {
      this._line.dataset.state = run.state;
      text = explained(run, this._trans);
    } else {
      text = session?.preview
        ? this._trans.__('As edited: %1', session.preview.name)
        : this._trans.__('Reading the notebook…');
    }
    if (this._text.textContent !== text) {
      this._text.textContent = text;
    }
  }

  private _fold(boxes: string[]): void {
    const folding = this._session ? this._session.fold(boxes) : this._followed?.fold(boxes);
    folding?.catch(error => this._actions.fail(error));
  }

  private _line = element('div', 'jp-Kfp-status');
  private _text = element('span', '');
  private _link = element('a', 'jp-Kfp-link');
  private _stop: HTMLButtonElement;
  private _parameters = element('details', 'jp-Kfp-section');
  private _form: ParametersForm;
  private _graph: GraphView;
  private _empty = element('p', 'jp-Kfp-empty');
  private _details: DetailsView;
  private _session: Session | null = null;
  private _followed: Followed | null = null;
  private _chosen: string | null = null;
}
