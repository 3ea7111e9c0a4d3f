// Small parts of which the views are made.
import { TranslationBundle } from '@jupyterlab/translation';
import { State } from './api';

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  name: string,
  text = ''
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

/** A part that can be closed; what is in it is made when it is first opened. */
export function section(
  title: string,
  fill: () => Node | Promise<Node>,
  open = false
): HTMLElement {
  const made = element('details', 'jp-Kfp-section');
  const body = element('div', '');
  made.append(element('summary', '', title), body);
  let filled = false;
  const show = async () => {
    if (made.open && !filled) {
      filled = true;
      try {
        body.replaceChildren(await fill());
      } catch (error) {
        body.replaceChildren(element('p', 'jp-Kfp-remedy', reason(error)));
      }
    }
  };
  made.addEventListener('toggle', () => void show());
  made.open = open;
  return made;
}

/** What went wrong, for people. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A value as people read it: text as it is, other things as JSON. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) {
    return '–';
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A table with a headline; a cell may be an element. */
export function table(columns: string[], rows: (string | Node)[][], caption = ''): HTMLElement {
  const made = element('table', 'jp-Kfp-table');
  if (caption) {
    made.append(element('caption', '', caption));
  }
  const head = made.createTHead().insertRow();
  for (const column of columns) {
    const cell = element('th', '', column);
    cell.scope = 'col';
    head.append(cell);
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const value of row) {
      line.insertCell().append(value);
    }
  }
  const frame = element('div', 'jp-Kfp-scroll');
  frame.append(made);
  return frame;
}

/** Names and values, one a line. */
export function pairs(values: Record<string, unknown>): HTMLElement {
  const made = element('dl', 'jp-Kfp-pairs');
  for (const [name, value] of Object.entries(values)) {
    made.append(element('dt', '', name), element('dd', '', shown(value)));
  }
  return made;
}

/** A field with its name before it. */
export function labelled(text: string, field: HTMLElement): HTMLLabelElement {
  const made = element('label', 'jp-Kfp-labelled');
  made.append(element('span', '', text), field);
  return made;
}

/** A choice of one of some values. */
export function select(options: [string, string][], chosen: () => void): HTMLSelectElement {
  const made = element('select', 'jp-Kfp-input');
  made.append(...options.map(([value, text]) => new Option(text, value)));
  made.addEventListener('change', chosen);
  return made;
}

export function button(text: string, clicked: () => void): HTMLButtonElement {
  const made = element('button', 'jp-Kfp-button', text);
  made.type = 'button';
  made.addEventListener('click', clicked);
  return made;
}

/** How long something took, short: "12 s", "3 min 5 s". */
export function since(start: string | null, end: string | null): string {
  if (!start || !end) {
    return '';
  }
  const seconds = Math.max(0, Math.round((Date.parse(end) - Date.parse(start)) / 1000));
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

export function stateWord(state: State, trans: TranslationBundle): string {
  const words: Record<State, string> = {
    PENDING: trans.__('Pending'),
    RUNNING: trans.__('Running'),
    SUCCEEDED: trans.__('Succeeded'),
    CACHED: trans.__('Cached'),
    SKIPPED: trans.__('Skipped'),
    FAILED: trans.__('Failed'),
    CANCELED: trans.__('Canceled')
  };
  return words[state];
}
