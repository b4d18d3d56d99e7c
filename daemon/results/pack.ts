/** A bundle from which a workspace can be made: the whole history of a result, with the conversation that led to it. */
import { rename, stat } from 'node:fs/promises'
import { TdfError } from '../../src/errors.ts'
import { hashFile } from '../../src/hash-file.ts'
import type { ResumeFacts } from '../../src/task.ts'
import type { Repository } from './repository.ts'

const PACK_TIMEOUT_MS = 600_000

/** Throws RESULT_BROKEN when the saved work is not there as it was saved. */
export async function pack(
  repository: Repository,
  { ref, commit }: ResumeFacts,
  file: string,
): Promise<{ sha256: string; bytes: number }> {
  const session = `${ref}-session`
  const found = await repository.must(['for-each-ref', '--format=%(objectname) %(refname)', ref, session])
  const refs = new Map(
    found
      .split('\n')
      .filter(Boolean)
      .map(line => line.split(' ').reverse() as [string, string]),
  )
  if (refs.get(ref) !== commit)
    throw new TdfError('RESULT_BROKEN', `${ref} is ${refs.get(ref)}, and ${commit} was saved`)
  const fresh = `${file}.new`
  const args = ['bundle', 'create', '--quiet', fresh, ...[ref, session].filter(name => refs.has(name))]
  await repository.must(args, { timeoutMs: PACK_TIMEOUT_MS })
  await rename(fresh, file)
  return { sha256: await hashFile(file), bytes: (await stat(file)).size }
}
