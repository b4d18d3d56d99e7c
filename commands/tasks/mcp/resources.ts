/** Tasks as resources: `tdf://task/ID`, and its diff and log. */
import { TdfError } from '../../../src/core/errors.ts'
import type { TaskJson } from '../../../src/protocol/control.ts'
import { oneLine } from '../../../src/text/sanitize.ts'
import { type Answer, json } from './answers.ts'
import { ask, type Call, type Door } from './door.ts'
import { taskFacts, taskOf } from './look.ts'
import { diffOf, logOf } from './texts.ts'

const LISTED_MAX = 20
const TITLE_CHARS_MAX = 80

const KINDS = [
  { rest: '', name: 'task', description: 'a task as it stands', mimeType: 'application/json' },
  { rest: '/diff', name: 'diff', description: 'what it changed, from its first byte on', mimeType: 'text/plain' },
  { rest: '/log', name: 'log', description: 'the end of what its agent printed', mimeType: 'text/plain' },
] as const

export const TEMPLATES = KINDS.map(({ rest, ...kind }) => ({ uriTemplate: `tdf://task/{id}${rest}`, ...kind }))

/** The newest tasks. */
export async function listed(door: Door, call: Call): Promise<object[]> {
  const tasks = await ask<TaskJson[]>(door, call, { path: `/tasks?all=true&limit=${LISTED_MAX}` })
  return tasks.map(({ id, title, status }) => ({
    uri: `tdf://task/${id}`,
    name: id,
    description: `${status}: ${oneLine(title).slice(0, TITLE_CHARS_MAX)}`,
    mimeType: KINDS[0].mimeType,
  }))
}

/** Throws NOT_FOUND for what is no such address, or names no task. */
export async function contentsOf(door: Door, call: Call, uri: string): Promise<{ mimeType: string; answer: Answer }> {
  const [, id = '', rest = ''] = /^tdf:\/\/task\/([^/?#]{1,160})(\/[a-z]+)?$/.exec(uri) ?? []
  const kind = KINDS.find(known => known.rest === rest)
  if (id === '' || kind === undefined) {
    const known = TEMPLATES.map(({ uriTemplate }) => uriTemplate).join(', ')
    throw new TdfError(
      'NOT_FOUND',
      `there is no resource "${oneLine(uri).slice(0, TITLE_CHARS_MAX)}"; there are ${known}`,
    )
  }
  return { mimeType: kind.mimeType, answer: await READERS[kind.name](door, call, id) }
}

const READERS: Record<(typeof KINDS)[number]['name'], (door: Door, call: Call, id: string) => Promise<Answer>> = {
  task: async (door, call, id) => json(taskFacts(await taskOf(door, call, id))),
  diff: (door, call, id) => diffOf(door, call, id, { stat: false, offset: 0 }),
  log: (door, call, id) => logOf(door, call, id, {}),
}
