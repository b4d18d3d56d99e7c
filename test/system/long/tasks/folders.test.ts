/** A folder of every shape as a task's repository: the node has the commit's tree, and the result comes home blob by blob. */
import { describe, expect, it } from 'vitest'
import { runShape } from '../../../support/daemon/shapes/run.ts'
import { SHAPES, WITH_SUBMODULES } from '../../../support/daemon/shapes/table.ts'
import { withDaemon } from '../../../support/daemon/with-daemon.ts'

/** For one shape beside four others, on a machine that is busy with other tests too. */
const LIMIT_MS = 600_000

const { home } = withDaemon()
const takesSubmodules = withDaemon('[repositories]\nsubmodules = "checkout"\n')

describe('a folder on this machine, whose repository is', () => {
  it.concurrent.each(SHAPES)(
    '$name',
    async shape => {
      const expected = shape.refused ? 'refused' : shape.onlyPlanned ? 'planned' : 'the same'
      expect(await runShape(shape, { home, node: 'local' })).toBe(expected)
    },
    LIMIT_MS,
  )
})

describe('where submodules are checked out, a folder with', () => {
  it.concurrent.each(WITH_SUBMODULES)(
    '$name',
    async shape => {
      expect(await runShape(shape, { ...takesSubmodules, node: 'local' })).toBe('the same')
    },
    LIMIT_MS,
  )
})
