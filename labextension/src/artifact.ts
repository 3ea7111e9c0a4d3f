// An artifact to look at: a table, metrics, a figure, a page or a text.
import { TranslationBundle } from '@jupyterlab/translation';
import { address, ask, IArtifact, IArtifactPreview, taskPath } from './api';
import { element, pairs, shown, table } from './dom';

/** What can be shown of an artifact of a task. */
export async function preview(
  runId: string,
  task: string,
  artifact: IArtifact,
  trans: TranslationBundle
): Promise<HTMLElement> {
  const path = `${taskPath(runId, task)}/artifacts/${encodeURIComponent(artifact.port)}`;
  const query = { index: String(artifact.index) };
  const found = await ask<IArtifactPreview>('GET', path, undefined, query);
  const content = address(`${path}/content`, query);
  switch (found.kind) {
    case 'table': {
      const rows = found.rows.map(row => row.map(shown));
      const caption = trans.__('%1 of %2 rows', found.rows.length, found.total_rows ?? '?');
      const more = (found.total_columns ?? 0) > found.columns.length;
      const columns = more
        ? ` · ${trans.__('%1 of %2 columns', found.columns.length, found.total_columns)}`
        : '';
      return table(found.columns, rows, caption + columns);
    }
    case 'metrics':
      return pairs(found.values);
    case 'text':
      return element('pre', 'jp-Kfp-text', found.text ?? '');
    case 'image': {
      const image = element('img', 'jp-Kfp-image');
      image.src = content;
      image.alt = trans.__('Figure %1 of %2', artifact.name, task);
      return image;
    }
    case 'html': {
      const frame = element('iframe', 'jp-Kfp-frame');
      // Without allow-same-origin the page has no cookies and cannot reach this one.
      frame.setAttribute('sandbox', 'allow-scripts');
      frame.title = trans.__('Page %1 of %2', artifact.name, task);
      frame.src = content;
      return frame;
    }
    default:
      return element(
        'p',
        'jp-Kfp-remedy',
        trans.__('This cannot be shown. It is kept at %1', artifact.uri)
      );
  }
}

/** The type as people say it: Dataset, not system.Dataset. */
export function typeWord(artifact: IArtifact): string {
  return artifact.type.split('.').pop() ?? artifact.type;
}
