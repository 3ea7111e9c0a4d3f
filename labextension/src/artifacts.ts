// The tab Artifacts: what the run that is shown has made, each to look at, with its lineage.
import { TranslationBundle } from '@jupyterlab/translation';
import { ask, IMadeArtifact, IPicture, IRunDetails, taskPath } from './api';
import { preview, typeWord } from './artifact';
import { button, element, reason } from './dom';
import { drawing } from './graph';

export class ArtifactsTab {
  constructor(
    private _page: HTMLElement,
    private _trans: TranslationBundle
  ) {
    this.update(null);
  }

  /** Show the artifacts of a run; fetched anew where its tasks have changed. */
  update(run: IRunDetails | null): void {
    const signature = JSON.stringify(run && [run.run_id, run.tasks.map(task => task.state)]);
    if (signature === this._signature) {
      return;
    }
    this._signature = signature;
    if (run === null) {
      const text = this._trans.__('Run the pipeline, or open a run, to see what it made.');
      this._page.replaceChildren(element('p', 'jp-Kfp-empty', text));
      return;
    }
    void this._fetch(run, signature);
  }

  private async _fetch(run: IRunDetails, signature: string): Promise<void> {
    try {
      const path = `runs/${run.run_id}/artifacts`;
      const { artifacts } = await ask<{ artifacts: IMadeArtifact[] }>('GET', path);
      if (signature === this._signature) {
        this._draw(run, artifacts);
      }
    } catch (error) {
      this._page.replaceChildren(element('p', 'jp-Kfp-empty', reason(error)));
    }
  }

  private _draw(run: IRunDetails, artifacts: IMadeArtifact[]): void {
    if (!artifacts.length) {
      const text = this._trans.__('%1 has made no artifacts yet.', run.name);
      this._page.replaceChildren(element('p', 'jp-Kfp-empty', text));
      return;
    }
    const list = element('ul', 'jp-Kfp-list');
    list.setAttribute('aria-label', this._trans.__('Artifacts of %1', run.name));
    list.append(...artifacts.map(one => this._item(run.run_id, one)));
    this._page.replaceChildren(element('div', 'jp-Kfp-status', run.name), list, this._shown);
  }

  private _item(runId: string, one: IMadeArtifact): HTMLElement {
    const item = element('li', '');
    const name = one.index ? `${one.port}[${one.index}]` : one.port;
    const title = `${one.task} · ${name}`;
    const open = button('', () => this._look(title, preview(runId, one.task, one, this._trans)));
    const size = one.size === null ? '' : ` · ${bytes(one.size)}`;
    open.append(
      element('span', 'jp-Kfp-place', title),
      element('span', 'jp-Kfp-remedy', typeWord(one) + size)
    );
    const lineage = button(this._trans.__('Lineage'), () =>
      this._look(this._trans.__('Lineage of %1', title), this._lineage(runId, one))
    );
    lineage.setAttribute('aria-label', this._trans.__('Lineage of %1', title));
    item.append(open, lineage);
    return item;
  }

  private async _lineage(runId: string, one: IMadeArtifact): Promise<HTMLElement> {
    const path = `${taskPath(runId, one.task)}/artifacts/${encodeURIComponent(one.port)}/lineage`;
    const index = String(one.index);
    return drawing((await ask<IPicture>('GET', path, undefined, { index })).svg);
  }

  private _look(title: string, content: Promise<HTMLElement>): void {
    const head = element('h3', '', title);
    this._shown.replaceChildren(head, element('p', 'jp-Kfp-empty', this._trans.__('Loading…')));
    const number = ++this._number;
    content
      .catch(error => element('p', 'jp-Kfp-remedy', reason(error)))
      .then(
        made => {
          if (number === this._number) {
            this._shown.replaceChildren(head, made);
            this._shown.scrollIntoView?.({ block: 'nearest' });
          }
        },
        () => undefined
      );
  }

  private _shown = element('section', 'jp-Kfp-details');
  private _signature = '';
  private _number = 0;
}

function bytes(size: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, size)) / 3));
  return `${Number((size / 1000 ** power).toPrecision(3))} ${units[power]}`;
}
