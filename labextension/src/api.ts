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

export interface IParameter {
  name: string;
  type: string;
  required: boolean;
  default: unknown;
}

/** A loop, branch or nested pipeline; `folded`: it is drawn as one node. */
export interface IBox {
  id: string;
  label: string;
  folded: boolean;
}

export interface IPort {
  name: string;
  type: string;
}

/** A step that has not run yet. */
export interface IStep {
  path: string;
  code: string;
  options: Record<string, unknown>;
  inputs: IPort[];
  outputs: IPort[];
}

export interface IPicture {
  svg: string;
  boxes: IBox[];
}

export interface IPreview {
  name: string;
  svg: string | null;
  boxes: IBox[];
  steps: IStep[];
  findings: IFinding[];
  cells: ICell[];
  parameters: IParameter[];
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
  interrupted: boolean;
  stale: string | null;
}

export interface ITask {
  path: string;
  name: string;
  state: State;
  started_at: string | null;
  ended_at: string | null;
  error: string | null;
  cell: number | null;
}

export interface IRunDetails extends IRun {
  parameters: Record<string, unknown>;
  tasks: ITask[];
  outputs: Record<string, unknown>;
}

export interface IAttempt {
  number: number;
  state: State;
  started_at: string;
  ended_at: string | null;
  error: string | null;
}

export interface IArtifact {
  port: string;
  index: number;
  name: string;
  type: string;
  uri: string;
}

export interface IMadeArtifact extends IArtifact {
  task: string;
  size: number | null;
}

export interface ITaskDetails extends ITask {
  code: string | null;
  options: Record<string, unknown>;
  metrics: Record<string, unknown>;
  has_notebook: boolean;
  traceback: string | null;
  tries: IAttempt[];
  input_parameters: Record<string, unknown>;
  output_parameters: Record<string, unknown>;
  input_artifacts: IArtifact[];
  output_artifacts: IArtifact[];
}

export interface IArtifactPreview {
  kind: 'table' | 'metrics' | 'text' | 'html' | 'image' | 'none';
  columns: string[];
  rows: unknown[][];
  total_rows: number | null;
  total_columns: number | null;
  values: Record<string, unknown>;
  text: string | null;
  content: string | null;
}

export interface IDifference {
  name: string;
  before: unknown;
  after: unknown;
  differs: boolean;
}

export interface IComparison {
  before: IRun;
  after: IRun;
  parameters: IDifference[];
  metrics: IDifference[];
}

export interface ISchedule {
  schedule_id: string;
  name: string;
  enabled: boolean;
  cron: string | null;
  interval: number | null;
  next_runs: string[];
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

/** The address of a task of a run below /jupyter-kfp; its path may hold brackets. */
export function taskPath(runId: string, task: string): string {
  return `runs/${runId}/tasks/${encodeURIComponent(task)}`;
}

/** The whole URL of what is below /jupyter-kfp. */
export function address(path: string, query: Record<string, string> = {}): string {
  const { baseUrl } = ServerConnection.makeSettings();
  return URLExt.join(baseUrl, 'jupyter-kfp', path) + URLExt.objectToQueryString(query);
}

/** Ask the server extension; `path` is below /jupyter-kfp. Throws RequestError. */
export async function ask<T>(
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  query: Record<string, string> = {}
): Promise<T> {
  const settings = ServerConnection.makeSettings();
  const init: RequestInit = { method };
  if (method === 'POST') {
    init.body = JSON.stringify(body ?? {});
  }
  const response = await ServerConnection.makeRequest(address(path, query), init, settings);
  const answer = await response.json();
  if (!response.ok) {
    throw new RequestError(answer.message, answer.code, answer.diagnostics);
  }
  return answer as T;
}
