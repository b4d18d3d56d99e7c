/** The repositories that tasks begin from, fetched or uploaded, as one part of the daemon. */
import path from 'node:path'
import type { RunningEngine } from '../../build.ts'
import type { Shutdown } from '../../host/shutdown.ts'
import { createSources } from './sources.ts'
import { createUploads } from './uploads.ts'

type Parts = Omit<Parameters<typeof createSources>[1] & Parameters<typeof createUploads>[1], 'folder'>

/** What is under way ends with the daemon, and leaves files that are half there in `downloads`. */
export function openSources(
  engine: () => RunningEngine,
  { stateDir, ...rest }: Parts & { stateDir: string },
  undoLater: Shutdown['undoLater'],
) {
  const parts = { ...rest, folder: path.join(stateDir, 'downloads') }
  const fetches = createSources(engine, parts)
  undoLater(() => fetches.stop())
  const uploads = createUploads(engine, parts)
  undoLater(() => uploads.stop())
  return { uploads, sources: { ...fetches, whole: uploads.whole, keep: uploads.keep } }
}
