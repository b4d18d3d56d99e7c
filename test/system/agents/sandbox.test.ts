/** Real agents in the sandbox of the local node: each needs its own folders, and they are all that it gets. */
import { existsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { whereConfined } from '../../support/where.ts'
import { sceneOf } from './scene.ts'

const LONG_MS = 200_000

whereConfined('real agents in the sandbox', () => {
  for (const name of ['claude', 'codex', 'opencode']) {
    describe(`${name} in the sandbox`, () => {
      const scene = sceneOf(name, '[providers.local]\nsandbox = "bubblewrap"\n')

      it(
        'brings home what it committed, and its conversation is where it keeps it',
        async () => {
          // A file of its own in the home cannot be replaced in there, only written.
          writeFileSync(path.join(scene.home.dir, '.claude.json'), '{}\n')
          const task = await scene.finished('commit')
          expect(task).toMatchObject({
            status: 'completed',
            verdict: 'unverified',
            result: { ahead: 1, salvaged: false },
          })
          expect(task.session?.resumeRef).toBeTruthy()
          const { conversations } = scene.kind
          // What root confines has a home beside its workspace.
          if (conversations !== null && process.getuid?.() !== 0)
            expect(existsSync(path.join(scene.home.dir, conversations))).toBe(true)
        },
        LONG_MS,
      )
    })
  }
})
