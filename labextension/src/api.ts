// The server extension's REST operations; their shapes are those of /jupyter-kfp/openapi.json.
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

export type State =
  'PENDING' | 'RUNNING' | 'SUCCEEDED' | 'CACHED' | 'SKIPPED' | 'FAILED' | 'CANCELED';

export interface IFinding {
  code: string;
  severity: 'error' | 'warning';
  message: string;
  remedy: string;
  cell: number | null;
  line: number | null;
  step: string | null;
}

export interface ICell {
  cell: number;
  role: 'step' | 'parameters' | 'preamble' | 'outputs' | 'skipped' | 'pipeline';
  step: string | null;
}

export interface IPreview {
  name: string;
  svg: string | null;
  findings: IFinding[];
  cells: ICell[];
}

export interface IRun {
  run_id: string;
  name: string;
  pipeline: string;
  state: State;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  notebook: string | null;
  error: string | null;
  url: string | null;
  stale: string | null;
}

export interface ITask {
  path: string;
  name: string;
  state: State;
  error: string | null;
  cell: number | null;
}

export interface IRunDetails extends IRun {
  tasks: ITask[];
}

export interface ISubmitted {
  run_id: string;
  name: string;
  url: string;
}

export interface IProfiles {
  profiles: { name: string; endpoint: string | null }[];
  default: string | null;
}

export function isFinal(state: State): boolean {
  return state !== 'PENDING' && state !== 'RUNNING';
}

/** The server's reason, and the findings where it is the notebook that is wrong. */
export class RequestError extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly diagnostics: IFinding[] = []
  ) {
    super(message);
  }
}

/** Ask the server extension; `path` is below /jupyter-kfp. Throws RequestError. */
export async function ask<T>(
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  query: Record<string, string> = {}
): Promise<T> {
  const settings = ServerConnection.makeSettings();
  const url =
    URLExt.join(settings.baseUrl, 'jupyter-kfp', path) + URLExt.objectToQueryString(query);
  const init: RequestInit = { method };
  if (method === 'POST') {
    init.body = JSON.stringify(body ?? {});
  }
  const response = await ServerConnection.makeRequest(url, init, settings);
  const answer = await response.json();
  if (!response.ok) {
    throw new RequestError(answer.message, answer.code, answer.diagnostics);
  }
  return answer as T;
}
