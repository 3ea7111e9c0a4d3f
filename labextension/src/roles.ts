// What a cell is to the pipeline, as it is written on it: in its tags, or in a first line %%component.
// The tags are those of jupyter_kfp/notebook/roles.py.
import { ICellModel } from '@jupyterlab/cells';
import { Notebook } from '@jupyterlab/notebook';

export type Role = 'plain' | 'step' | 'parameters' | 'imports' | 'outputs' | 'skip';

export interface IRole {
  role: Role;
  /** Of a step. */
  name: string;
}

const TAGS: Record<string, Role> = {
  parameters: 'parameters',
  'pipeline-parameters': 'parameters',
  'injected-parameters': 'parameters',
  imports: 'imports',
  functions: 'imports',
  outputs: 'outputs',
  'pipeline-metrics': 'outputs',
  skip: 'skip'
};
const STEP = /^(?:step|block):\s*(.*)$/;
const AFTER = /^(?:after|prev):/;
const HEADER = /^(\s*)%%component\b[ \t]*(?!--)(\S*)[^\n]*\n?/;
const MAGIC = '%%component';

/** What `jupyter_kfp` accepts as a step's name. */
export const NAME = '[A-Za-z][A-Za-z0-9_\\-]{0,62}';
const PROPER = new RegExp(`^${NAME}$`);

export function isName(text: string): boolean {
  return PROPER.test(text);
}

/** KFP writes train_model as train-model: names that it cannot tell apart are equal. */
export function key(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^0-9a-z]+/g, '-')
    .replace(/^-+|-+$/g, '');
}

export function tagsOf(model: ICellModel): string[] {
  const tags: unknown = model.getMetadata('tags');
  return Array.isArray(tags) ? tags.map(String) : [];
}

/** The role that tags give. `skip` wins. */
export function roleOfTags(tags: string[]): IRole {
  const step = tags.map(tag => STEP.exec(tag)).find(found => found !== null);
  const role = tags.includes('skip') ? 'skip' : tags.map(tag => TAGS[tag]).find(found => found);
  return role && (role === 'skip' || !step)
    ? { role, name: '' }
    : { role: step ? 'step' : 'plain', name: step?.[1] ?? '' };
}

/** The step that a cell's own first line names; null if there is no such line. */
export function headerOf(source: string): string | null {
  return HEADER.exec(source)?.[2] ?? null;
}

export function roleOf(model: ICellModel): IRole {
  const tagged = roleOfTags(tagsOf(model));
  const named = headerOf(model.sharedModel.getSource());
  return named !== null && tagged.role !== 'skip' ? { role: 'step', name: named } : tagged;
}

/** The tags with another role; those that have to do with none stay. */
export function withRole(tags: string[], { role, name }: IRole): string[] {
  const others = tags.filter(tag => !STEP.test(tag) && !(tag in TAGS));
  const kept = role === 'step' ? others : others.filter(tag => !AFTER.test(tag));
  return role === 'plain' ? kept : [...kept, role === 'step' ? `step:${name}` : role];
}

/** Give a cell a role by its tags. Of a line %%component nothing stays; the code does. One step of undo. */
export function setRole(model: ICellModel, role: IRole): void {
  model.sharedModel.transact(() => {
    const source = model.sharedModel.getSource();
    const bare = source.replace(HEADER, '');
    if (bare !== source) {
      model.sharedModel.setSource(bare);
    }
    setTags(model, withRole(tagsOf(model), role));
  });
}

/** The options of a step, which would say nothing on another cell, go with it. One step of undo. */
export function makePlain(model: ICellModel): void {
  model.sharedModel.transact(() => {
    setRole(model, { role: 'plain', name: '' });
    model.deleteMetadata('kfp');
  });
}

/** Have a line %%component name another step; its flags stay. */
export function renameHeader(model: ICellModel, name: string): void {
  const source = model.sharedModel.getSource();
  const found = HEADER.exec(source);
  if (found) {
    const at = found[1].length + MAGIC.length;
    const rest = source.slice(at).replace(/^[ \t]*(?!--)[^\s]*/, '');
    model.sharedModel.setSource(`${source.slice(0, at)} ${name}${rest}`);
  }
}

function setTags(model: ICellModel, tags: string[]): void {
  if (tags.length) {
    model.setMetadata('tags', tags);
  } else {
    model.deleteMetadata('tags');
  }
}

/**
 * A name for the step that a cell would be: from its first comment, the heading above it, or the first name that it
 * binds. No other step of the notebook has it.
 */
export function suggestName(notebook: Notebook, index: number): string {
  const models = notebook.widgets.map(widget => widget.model);
  const taken = new Set(
    models
      .filter((model, at) => at !== index && model.type === 'code')
      .map(model => key(roleOf(model).name))
  );
  const source = models[index].sharedModel.getSource();
  const above = models[index - 1];
  const texts = [
    /^\s*#(?![|!])\s*(.+)/.exec(source)?.[1],
    above?.type === 'markdown'
      ? /^#{1,6}\s+(.+)/m.exec(above.sharedModel.getSource())?.[1]
      : undefined,
    /^([A-Za-z_]\w*)\s*(?::[^=\n]+)?=(?!=)/m.exec(source)?.[1],
    'step'
  ];
  const wanted = texts.map(text => slug(text ?? '')).find(isName) ?? 'step';
  let name = wanted;
  for (let number = 2; taken.has(key(name)); number++) {
    name = `${wanted}_${number}`;
  }
  return name;
}

/** At most four words of a text as a name; empty where nothing is left. */
function slug(text: string): string {
  const words = text
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .toLowerCase()
    .match(/[a-z0-9]+/g);
  return (words ?? [])
    .slice(0, 4)
    .join('_')
    .replace(/^[\d_]+/, '')
    .slice(0, 50);
}
