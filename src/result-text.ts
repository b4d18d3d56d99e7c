/** What a run brought home, in words. */
import type { TaskJson } from './protocol/control.ts'
import { oneLine } from './sanitize.ts'

export function resultLine({ result }: Pick<TaskJson, 'result'>): string {
  if (!result) return '-'
  if (result.ahead === 0) return 'no commits'
  const commits = result.ahead === 1 ? '1 commit' : `${result.ahead} commits`
  const files = result.filesChanged === 1 ? '1 file' : `${result.filesChanged} files`
  const saved = result.salvaged ? ', the last made by tdf from uncommitted work' : ''
  return `${commits} on ${oneLine(result.branch)}: ${files}, +${result.insertions} -${result.deletions}${saved}`
}
