// Executed notebooks of steps as documents that can be read, not written, wherever the server keeps them.
import { JupyterFrontEnd } from '@jupyterlab/application';
import { NotebookPanel } from '@jupyterlab/notebook';
import { Contents, ServerConnection } from '@jupyterlab/services';
import { TranslationBundle } from '@jupyterlab/translation';
import { ISignal, Signal } from '@lumino/signaling';
import { address, ask, taskPath } from './api';

const DRIVE = 'jupyter-kfp';

/** Whether a document is the executed notebook of a step. */
export function isExecuted(path: string): boolean {
  return path.startsWith(`${DRIVE}:`);
}

/** Open the executed notebook of a step; it needs no kernel to be read. */
export async function openExecuted(
  app: JupyterFrontEnd,
  runId: string,
  task: string
): Promise<void> {
  const opened: unknown = await app.commands.execute('docmanager:open', {
    path: `${DRIVE}:${runId}/${task}.ipynb`,
    factory: 'Notebook'
  });
  if (opened instanceof NotebookPanel) {
    const session = opened.context.sessionContext;
    session.kernelPreference = {
      ...session.kernelPreference,
      shouldStart: false,
      autoStartDefault: false
    };
  }
}

/** Paths are RUN/TASK.ipynb. */
export class ExecutedNotebooks implements Contents.IDrive {
  readonly name = DRIVE;
  readonly serverSettings = ServerConnection.makeSettings();

  constructor(private _trans: TranslationBundle) {}

  get fileChanged(): ISignal<this, Contents.IChangedArgs> {
    return this._fileChanged;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    this._isDisposed = true;
    Signal.clearData(this);
  }

  async get(path: string, options?: Contents.IFetchOptions): Promise<Contents.IModel> {
    const known = { path, created: '', last_modified: '', mimetype: '', writable: false };
    const [runId, file] = path.split('/');
    if (!file) {
      return { ...known, name: path, type: 'directory', format: 'json', content: [] };
    }
    const content =
      options?.content === false
        ? null
        : await ask<object>('GET', `${taskPath(runId, task(file))}/notebook`);
    return { ...known, name: file, type: 'notebook', format: 'json', content };
  }

  async getDownloadUrl(path: string): Promise<string> {
    const [runId, file] = path.split('/');
    return address(`${taskPath(runId, task(file))}/notebook`);
  }

  async listCheckpoints(): Promise<Contents.ICheckpointModel[]> {
    return [];
  }

  readonly newUntitled = () => this._refuse();
  readonly delete = () => this._refuse();
  readonly rename = () => this._refuse();
  readonly save = () => this._refuse();
  readonly copy = () => this._refuse();
  readonly createCheckpoint = () => this._refuse();
  readonly restoreCheckpoint = () => this._refuse();
  readonly deleteCheckpoint = () => this._refuse();

  private _refuse(): Promise<never> {
    const text = this._trans.__(
      'An executed notebook can only be read. Save it under another name.'
    );
    return Promise.reject(new Error(text));
  }

  private _fileChanged = new Signal<this, Contents.IChangedArgs>(this);
  private _isDisposed = false;
}

function task(file: string): string {
  return file.replace(/\.ipynb$/, '');
}
