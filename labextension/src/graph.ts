// The picture of a pipeline: its steps can be chosen, its boxes opened and closed.
import { IBox } from './api';
import { element } from './dom';

/** The server's SVG. Parsed as XML: nothing in it can be HTML, and no script in it runs. */
export function drawing(svg: string): HTMLElement {
  const parsed = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement;
  const frame = element('div', 'jp-Kfp-drawing');
  frame.append(document.importNode(parsed, true));
  return frame;
}

export class GraphView {
  readonly node = element('div', 'jp-Kfp-graph');

  constructor(
    private _choose: (id: string) => void,
    private _fold: (boxes: string[]) => void
  ) {
    this.node.addEventListener('click', event => this._act(event.target));
    this.node.addEventListener('keydown', event => {
      if (event.key === 'Enter' || event.key === ' ') {
        event.preventDefault();
        this._act(event.target);
      }
    });
  }

  /** Draw, where it is not what is shown already. */
  draw(svg: string | null, boxes: IBox[], chosen: string | null): void {
    if (svg !== this._svg) {
      const focused = document.activeElement?.getAttribute('data-id');
      this._svg = svg;
      this._boxes = boxes;
      this.node.replaceChildren(...(svg === null ? [] : [drawing(svg)]));
      this._prepare();
      if (focused && !this.node.contains(document.activeElement)) {
        this._find(focused)?.focus();
      }
    }
    this.node.querySelector('.jp-mod-chosen')?.classList.remove('jp-mod-chosen');
    if (chosen !== null) {
      this._find(chosen)?.classList.add('jp-mod-chosen');
    }
  }

  private _find(id: string): SVGElement | null {
    return this.node.querySelector<SVGElement>(`[data-id="${CSS.escape(id)}"]`);
  }

  /** Reachable by keyboard, and told to screen readers as what they are. */
  private _prepare(): void {
    this.node.querySelector('svg')?.setAttribute('role', 'group');
    for (const part of this.node.querySelectorAll<SVGElement>('[data-id]')) {
      part.tabIndex = 0;
      part.setAttribute('role', 'button');
      const title = part.querySelector('title')?.textContent ?? '';
      part.setAttribute('aria-label', title.replace(/\n/g, ', '));
      const box = this._boxes.find(one => one.id === part.dataset.id);
      if (box) {
        part.setAttribute('aria-expanded', String(!box.folded));
      }
    }
  }

  private _act(target: EventTarget | null): void {
    const id = target instanceof Element && target.closest<SVGElement>('[data-id]')?.dataset.id;
    if (!id) {
      return;
    }
    const box = this._boxes.find(one => one.id === id);
    if (box === undefined) {
      this._choose(id);
      return;
    }
    const folded = this._boxes.filter(one => one.folded !== (one === box)).map(one => one.id);
    this._fold(folded);
  }

  private _svg: string | null = null;
  private _boxes: IBox[] = [];
}
