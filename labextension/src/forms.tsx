// Parts of the forms of options (schema/options.json): the role of a cell, and texts that may stand as other JSON.
import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IMetadataFormProvider } from '@jupyterlab/metadataform';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import { Collapser, IFormRendererRegistry } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';
import { FieldProps } from '@rjsf/utils';
import React from 'react';
import { CommandIDs } from './commands';
import {
  headerOf,
  isName,
  renameHeader,
  Role,
  roleOf,
  roleOfTags,
  setRole,
  suggestName,
  withRole
} from './roles';

const ID = 'jupyter-kfp:options';
const CELL_FORM = 'jupyter-kfp-cell';
/** What a field cannot be given: the notebooks, and whether the first field is to have the focus once it is drawn. */
const around = { tracker: null as INotebookTracker | null, focus: false };

/** Needs nothing that needs the forms: JupyterLab looks for these parts when it makes them. */
export const fieldsPlugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Parts of the forms for the options of steps and pipelines.',
  autoStart: true,
  optional: [IFormRendererRegistry, ITranslator],
  activate: (
    _app: JupyterFrontEnd,
    registry: IFormRendererRegistry | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_kfp');
    registry?.addRenderer(`${ID}.role`, {
      fieldRenderer: props => <RoleField {...props} trans={trans} />
    });
    registry?.addRenderer(`${ID}.value`, { fieldRenderer: ValueField });
  }
};

export const optionsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-kfp:options-command',
  description: 'Shows the forms for the options of steps and pipelines.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [IMetadataFormProvider, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    forms: IMetadataFormProvider | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_kfp');
    around.tracker = tracker;
    app.commands.addCommand(CommandIDs.options, {
      label: trans.__('Edit Pipeline Options'),
      caption: trans.__('Show the forms for the options of the cell and of the notebook'),
      isEnabled: () => tracker.currentWidget !== null,
      execute: () => {
        around.focus = tracker.activeCell?.model.type === 'code';
        app.shell.activateById('jp-property-inspector');
        show(app.shell, forms?.get(CELL_FORM) ?? null);
      },
      describedBy: { args: { type: 'object', properties: {} } }
    });
  }
};

/** Open all that a form is in: its section, which draws it anew, and in Notebook 7 the sidebar's panel. */
function show(shell: JupyterFrontEnd.IShell, form: Widget | null): void {
  for (let widget = form; widget !== null; widget = widget.parent) {
    if (widget instanceof Collapser) {
      widget.collapsed = true;
      widget.collapsed = false;
    } else if (widget.id) {
      shell.activateById(widget.id);
    }
  }
}

function Label(props: { id: string; title: string; description?: string }): JSX.Element {
  return (
    <div className="jp-FormGroup-compactTitle">
      <label className="jp-FormGroup-fieldLabel jp-FormGroup-contentItem" htmlFor={props.id}>
        {props.title}
      </label>
      {props.description && <div className="jp-FormGroup-description">{props.description}</div>}
    </div>
  );
}

/** A value as the text that says the same: one item a line (see jupyter_kfp/notebook/spellings.py). */
export function asText(value: unknown): string {
  if (value === undefined || value === null) {
    return '';
  }
  if (Array.isArray(value)) {
    return value.map(item => (typeof item === 'string' ? item : JSON.stringify(item))).join('\n');
  }
  if (typeof value === 'object') {
    const pairs = Object.entries(value);
    return pairs.every(([, item]) => item === null || typeof item !== 'object')
      ? pairs.map(([name, item]) => `${name}=${item ?? ''}`).join('\n')
      : JSON.stringify(value);
  }
  return String(value);
}

/** A number, or a text: of several lines where it stands for a list or a mapping. */
function ValueField(props: FieldProps): JSX.Element {
  const { schema, idSchema, uiSchema, formData, onChange } = props;
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  const isNumber = !types.includes('string');
  const shared = {
    id: idSchema.$id,
    className: 'jp-mod-styled',
    value: asText(formData),
    placeholder: uiSchema?.['ui:placeholder'],
    spellCheck: false,
    onChange: (event: React.ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) => {
      const text = event.target.value;
      onChange(text === '' ? undefined : isNumber ? Number(text) : text);
    }
  };
  const number = {
    type: 'number',
    min: schema.minimum,
    step: types.includes('integer') ? 1 : 'any'
  };
  return (
    <div className="jp-Kfp-field">
      <Label id={shared.id} title={schema.title ?? ''} description={schema.description} />
      {types.includes('array') || types.includes('object') ? (
        <textarea {...shared} rows={2} />
      ) : (
        <input {...shared} {...(isNumber ? number : { type: 'text' })} />
      )}
    </div>
  );
}

interface IRoleProps extends FieldProps {
  trans: TranslationBundle;
}

/** The part of the active cell in the pipeline. Its data are the cell's tags. */
function RoleField(props: IRoleProps): JSX.Element {
  const { trans, idSchema, onChange } = props;
  const notebook = around.tracker?.currentWidget?.content;
  const model = notebook?.activeCell?.model;
  const tags: string[] = Array.isArray(props.formData) ? props.formData.map(String) : [];
  const header = model ? headerOf(model.sharedModel.getSource()) : null;
  // A first line %%component is no tag: what the form was built with may be older.
  const found = header !== null && model ? roleOf(model) : roleOfTags(tags);
  const [typed, type] = React.useState<string | null>(null);
  const [, redraw] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    model?.contentChanged.connect(redraw);
    return () => void model?.contentChanged.disconnect(redraw);
  }, [model]);
  const select = React.useRef<HTMLSelectElement>(null);
  React.useEffect(() => {
    if (around.focus) {
      around.focus = false;
      select.current?.focus();
    }
  }, []);
  if (notebook === undefined || model?.type !== 'code') {
    return <></>;
  }
  const write = (role: Role, name: string) => {
    if (header !== null && role === 'step') {
      renameHeader(model, name);
      onChange(tags);
    } else if (header !== null) {
      // Its line goes, too.
      setRole(model, { role, name });
    } else {
      const changed = withRole(tags, { role, name });
      onChange(changed.length ? changed : undefined);
    }
    type(null);
  };
  const choose = (role: Role) => {
    write(role, role === 'step' ? suggestName(notebook, notebook.activeCellIndex) : '');
  };
  const rename = () => {
    if (typed !== null && isName(typed) && typed !== found.name) {
      write('step', typed);
    }
  };
  const words: Record<Role, string> = {
    plain: trans.__('Plain: as the step above'),
    step: trans.__('Step'),
    parameters: trans.__('Parameters'),
    imports: trans.__('Imports and functions'),
    outputs: trans.__('Outputs'),
    skip: trans.__('Not in the pipeline')
  };
  const wrong = typed !== null && !isName(typed);
  return (
    <div className="jp-Kfp-field">
      <Label id={idSchema.$id} title={trans.__('Role of the cell')} />
      <select
        ref={select}
        id={idSchema.$id}
        className="jp-mod-styled"
        value={found.role}
        onChange={event => choose(event.target.value as Role)}
      >
        {(Object.keys(words) as Role[]).map(role => (
          <option key={role} value={role}>
            {words[role]}
          </option>
        ))}
      </select>
      {found.role === 'step' && (
        <>
          <Label id={`${idSchema.$id}_name`} title={trans.__('Name of the step')} />
          <input
            id={`${idSchema.$id}_name`}
            className="jp-mod-styled"
            type="text"
            spellCheck={false}
            value={typed ?? found.name}
            aria-invalid={wrong}
            onChange={event => type(event.target.value)}
            onBlur={rename}
            onKeyDown={event => event.key === 'Enter' && rename()}
          />
          {wrong && (
            <div className="jp-Kfp-wrong" role="alert">
              {trans.__('Letters, digits, _ and -, a letter first, at most 63.')}
            </div>
          )}
        </>
      )}
    </div>
  );
}
