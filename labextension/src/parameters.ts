// The parameters of a pipeline before a run: typed fields, checked, remembered for each notebook.
import { PageConfig } from '@jupyterlab/coreutils';
import { TranslationBundle } from '@jupyterlab/translation';
import { IParameter } from './api';
import { button, element, labelled, reason, shown } from './dom';

/** What was typed, by the name of the parameter. */
export type Texts = Record<string, string>;

function key(path: string): string {
  return `jupyter-kfp:parameters:${PageConfig.getBaseUrl()}${path}`;
}

export function recall(path: string): Texts {
  try {
    return JSON.parse(window.localStorage.getItem(key(path)) ?? '{}') as Texts;
  } catch {
    return {}; // somebody else's, or the browser keeps nothing
  }
}

export function remember(path: string, texts: Texts): void {
  window.localStorage.setItem(key(path), JSON.stringify(texts));
}

export function forget(path: string): void {
  window.localStorage.removeItem(key(path));
}

/** The value of a text. Throws Error saying what a value of that type looks like. */
export function parsed(type: string, text: string): unknown {
  switch (type) {
    case 'int':
      if (!/^\s*[+-]?\d+\s*$/.test(text) || !Number.isSafeInteger(Number(text))) {
        throw new Error('int: 42');
      }
      return Number(text);
    case 'float':
      if (!text.trim() || !Number.isFinite(Number(text))) {
        throw new Error('float: 0.5');
      }
      return Number(text);
    case 'bool':
      return text === 'true';
    case 'str':
      return text;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(type === 'list' ? 'JSON: [1, 2]' : 'JSON: {"a": 1}');
  }
  if (type === 'list' ? !Array.isArray(value) : typeof value !== 'object' || value === null) {
    throw new Error(type === 'list' ? 'JSON: [1, 2]' : 'JSON: {"a": 1}');
  }
  return value;
}

/** The values to send: those that were typed, for parameters that there are. Throws Error naming one that is wrong. */
export function checked(parameters: IParameter[], texts: Texts): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const one of parameters) {
    const text = texts[one.name];
    if (text !== undefined) {
      try {
        values[one.name] = parsed(one.type, text);
      } catch (error) {
        throw new Error(`${one.name}: ${text || '""'} (${reason(error)})`);
      }
    }
  }
  return values;
}

/** The fields; what is typed is kept by `save`. */
export class ParametersForm {
  readonly node = element('form', 'jp-Kfp-parameters');

  constructor(
    private _trans: TranslationBundle,
    private _run: () => void
  ) {
    this.node.setAttribute('aria-label', _trans.__('Parameters'));
    this.node.addEventListener('submit', event => {
      event.preventDefault();
      if (this._check()) {
        this._run();
      }
    });
  }

  /** Show the fields of these parameters; the same ones stay as they are, with the focus. */
  update(
    parameters: IParameter[],
    place: string,
    texts: Texts,
    save: (texts: Texts) => void
  ): void {
    const signature = JSON.stringify([place, parameters]);
    if (signature === this._signature) {
      return;
    }
    this._signature = signature;
    this._save = save;
    this._texts = { ...texts };
    this._fields.clear();
    this.node.hidden = !parameters.length;
    const reset = button(this._trans.__('Defaults'), () => {
      save({});
      this._signature = '';
      this.update(parameters, place, {}, save);
    });
    reset.title = this._trans.__('Forget what was typed');
    const run = button(this._trans.__('Run with These'), () => this.node.requestSubmit());
    const foot = element('div', 'jp-Kfp-actions');
    foot.append(run, reset);
    this.node.replaceChildren(...parameters.map(one => this._field(one)), foot);
    this._check();
  }

  private _field(one: IParameter): HTMLElement {
    const text = this._texts[one.name];
    const usual = one.default === null || one.default === undefined ? '' : shown(one.default);
    const problem = element('span', 'jp-Kfp-wrong');
    problem.id = `jupyter-kfp-wrong-${one.name}`;
    problem.setAttribute('role', 'alert');
    let field: HTMLInputElement | HTMLTextAreaElement;
    let read: () => string;
    if (one.type === 'bool') {
      const box = element('input', '');
      box.type = 'checkbox';
      box.checked = (text ?? usual) === 'true';
      read = () => String(box.checked);
      field = box;
    } else {
      const isLong = !['int', 'float', 'str'].includes(one.type);
      const typed = element(isLong ? 'textarea' : 'input', 'jp-Kfp-input');
      if (typed instanceof HTMLInputElement) {
        typed.inputMode =
          one.type === 'int' ? 'numeric' : one.type === 'float' ? 'decimal' : 'text';
      }
      typed.value = text ?? usual;
      read = () => typed.value;
      field = typed;
    }
    field.name = one.name;
    field.setAttribute('aria-describedby', problem.id);
    this._fields.set(one.name, { parameter: one, read, field, problem });
    field.addEventListener('input', () => {
      const now = read();
      if (now === usual && !one.required) {
        delete this._texts[one.name];
      } else {
        this._texts[one.name] = now;
      }
      this._save({ ...this._texts });
      this._check();
    });
    const made = labelled(`${one.name}: ${one.type}${one.required ? ' *' : ''}`, field);
    made.append(problem);
    return made;
  }

  /** Mark the fields whose value is wrong; whether none is. */
  private _check(): boolean {
    let good = true;
    for (const { parameter, read, field, problem } of this._fields.values()) {
      problem.textContent = '';
      const text = this._texts[parameter.name];
      try {
        if (text !== undefined || parameter.required) {
          parsed(parameter.type, text ?? read());
        }
      } catch (error) {
        good = false;
        problem.textContent = this._trans.__('Needed, for instance %1', reason(error));
      }
      field.setAttribute('aria-invalid', String(problem.textContent !== ''));
    }
    return good;
  }

  private _signature = '';
  private _texts: Texts = {};
  private _save: (texts: Texts) => void = () => undefined;
  private _fields = new Map<
    string,
    {
      parameter: IParameter;
      read: () => string;
      field: HTMLInputElement | HTMLTextAreaElement;
      problem: HTMLElement;
    }
  >();
}
