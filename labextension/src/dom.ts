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

export function button(text: string, clicked: () => void): HTMLButtonElement {
  const made = element('button', 'jp-Kfp-button', text);
  made.type = 'button';
  made.addEventListener('click', clicked);
  return made;
}

/** The server's SVG. Parsed as XML: nothing in it can be HTML, and no script in it runs. */
export function drawing(svg: string): Node {
  const parsed = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement;
  const frame = element('div', 'jp-Kfp-drawing');
  frame.tabIndex = 0; // it can be scrolled with the keyboard
  frame.append(document.importNode(parsed, true));
  return frame;
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
