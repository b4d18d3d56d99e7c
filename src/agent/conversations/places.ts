/** Where agents keep their conversations: one file each, which is enough to resume it elsewhere (run with both). */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

interface Surroundings {
  env: Record<string, string>
  /** As the agent sees it: without links. */
  workTree: string
}

export interface Place {
  /** The folder that all its conversations are in. */
  root(surroundings: Surroundings): string
  /** The path of a conversation in there; null when there is none of this name. */
  find(surroundings: Surroundings, resumeRef: string): string | null
  /** Where one that was found as `path` has to lie to be found here. */
  placeOf(surroundings: Surroundings, path: string): string
}

export const PLACES: Partial<Record<string, Place>> = {
  claude: {
    root: ({ env }) => join(env.CLAUDE_CONFIG_DIR ?? join(env.HOME ?? '/', '.claude'), 'projects'),
    find(surroundings, resumeRef) {
      const path = join(folderOf(surroundings), `${resumeRef}.jsonl`)
      return existsSync(join(this.root(surroundings), path)) ? path : null
    },
    // It resumes only what was begun in the same folder.
    placeOf: (surroundings, path) => join(folderOf(surroundings), path.split('/').at(-1) ?? ''),
  },
  codex: {
    root: ({ env }) => join(env.CODEX_HOME ?? join(env.HOME ?? '/', '.codex'), 'sessions'),
    find(surroundings, resumeRef) {
      const days = foldersUnder(this.root(surroundings), 3)
      for (const day of days.sort().reverse()) {
        const found = names(join(this.root(surroundings), day)).find(name => name.endsWith(`-${resumeRef}.jsonl`))
        if (found !== undefined) return join(day, found)
      }
      return null
    },
    placeOf: (_, path) => path,
  },
}

const folderOf = ({ workTree }: Surroundings) => workTree.replace(/[^A-Za-z0-9]/g, '-')

function foldersUnder(root: string, depth: number): string[] {
  if (depth === 0) return ['']
  return names(root).flatMap(name => foldersUnder(join(root, name), depth - 1).map(rest => join(name, rest)))
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
