import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { staticProvider } from '../../../../src/machines/static.ts'
import { aNode } from '../../../support/daemon/step-context.ts'

const dir = mkdtempSync(path.join(tmpdir(), 'tdf-static-'))
afterAll(() => rmSync(dir, { recursive: true }))

it('the token file of a node is read when it is needed, and not used when everybody may open it', async () => {
  const tokenFile = path.join(dir, 'token')
  const box = { name: 'n1', url: 'http://127.0.0.1:1', ssh: '', token: '', tokenFile, size: '', location: '' }
  const never = () => {
    throw new Error('nothing goes by ssh')
  }
  const ssh = { connect: never, shell: never, isOutdated: never, doing: never, hangUp: never }
  const provider = staticProvider({
    nodes: () => [{ ...box, maxWorkspaces: 1 }],
    left: [],
    slots: 1,
    ssh,
    forget: () => undefined,
  })
  const refused = (why: string) => ({ code: 'NODE_UNREACHABLE', message: expect.stringContaining(why) })
  await expect(provider.connect(aNode())).rejects.toMatchObject(refused('ENOENT'))
  writeFileSync(tokenFile, 'a-token\n', { mode: 0o644 })
  chmodSync(tokenFile, 0o644)
  await expect(provider.connect(aNode())).rejects.toMatchObject(refused(`chmod 600 ${tokenFile}`))
  chmodSync(tokenFile, 0o600)
  expect((await provider.connect(aNode())).token).toBe('a-token')
})
