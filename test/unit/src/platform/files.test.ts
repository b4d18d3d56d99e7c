/** Whatever tdf puts in its place is there, whole, after a power cut right behind the call that put it there. */
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bundleRoutes } from '../../../../daemon/api/routes/bundles.ts'
import { createSecrets } from '../../../../daemon/host/secrets.ts'
import { createAddedNodes } from '../../../../daemon/nodes/reach/added-nodes.ts'
import { logFiles } from '../../../../daemon/results/logs.ts'
import { repositories } from '../../../../daemon/results/repository.ts'
import { writeJson } from '../../../../src/agent/state/durable.ts'
import { pinHostKeys } from '../../../../src/machines/ssh/host-keys.ts'
import { ensureKeyPair } from '../../../../src/machines/ssh/keys.ts'
import { createDurable, moveContent, moveDurable, publishFile, writeDurable } from '../../../../src/platform/files.ts'
import { adoptInstall, readInstall } from '../../../../src/platform/install.ts'
import { realWorld } from '../../../../src/platform/world.ts'
import { keptFiles } from '../../../../src/store/blobs/kept-files.ts'
import { writeCopy } from '../../../../src/store/sqlite/backup.ts'
import { openSql } from '../../../../src/store/sqlite/sql.ts'
import { openStore } from '../../../../src/store/store.ts'
import { type PowerCut, watchDisk } from '../../../support/power-cut.ts'

let folder: string
let disk: PowerCut
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tdf-files-'))
  disk = watchDisk()
})
afterEach(() => {
  disk.restore()
  rmSync(folder, { recursive: true, force: true })
})

const at = (...parts: string[]) => path.join(folder, ...parts)
const { random } = realWorld({})

async function upload(): Promise<void> {
  const bytes = Buffer.from('a bundle')
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const engine = {
    store: { commit: async () => {}, answered: async () => {} },
    world: realWorld({}),
    admission: { reasonOf: () => null },
    bundleFile: (name: string) => at('bundles', `${name}.bundle`),
    results: { files: keptFiles(folder, null) },
  }
  const routes = bundleRoutes(engine as never, { stateDir: folder } as never)
  const query = `commit=${'a'.repeat(40)}&ref=main`
  const answer = await routes.request(`/bundles/${sha256}?${query}`, { method: 'PUT', body: bytes })
  expect([answer.status, readdirSync(at('bundles'))]).toEqual([201, [`${sha256}.bundle`]])
}

const PLACED: [string, () => unknown][] = [
  ['a file that is replaced', () => writeDurable(at('file'), 'new')],
  ['a file that is created', () => createDurable(at('file'), 'new')],
  ['a state of the agent', () => writeJson(at('agent.json'), { stateId: 'x' })],
  ['an uploaded bundle', upload],
  ['a secret', () => createSecrets(folder, {}).set('API_KEY', 'value')],
  ['the identity of the installation', () => readInstall(folder, random, 'machine')],
  ['an ssh key', () => ensureKeyPair(at('ssh', 'key'), 'tdf')],
  ['a pinned host key', () => pinHostKeys({ folder: at('node'), hostKeyAlias: 'box' } as never, [])],
  ['the repository of results', () => repositories(at('results')).open('source')],
  ['a backup', () => writeCopy(openSql(at('tdf.db')), at('copy.db'))],
  [
    'an added node',
    async () => {
      const nodes = createAddedNodes(folder, name => ({ folder: at(name), hostKeyAlias: name }) as never)
      const box = { name: 'box', ssh: 'box', hostKey: `ssh-ed25519 ${'A'.repeat(43)}=` }
      const store = openStore(folder, realWorld({}))
      const engine = { store, world: realWorld({}), loop: { schedule() {} }, config: { nodes: { maxWorkspaces: 1 } } }
      await nodes.add(engine as never, box as never)
      nodes.remover('box')?.()
      store.close()
    },
  ],
]

describe('after a power cut', () => {
  it.each(PLACED)('%s is there, whole', async (_, place) => {
    await place()
    expect(disk.lost()).toEqual([])
    expect(disk.named()).not.toEqual([])
  })

  it('an identity that was taken over is there, whole', () => {
    const { id } = readInstall(folder, random, 'machine')
    expect([adoptInstall(folder, 'another machine'), disk.lost()]).toEqual([id, []])
  })

  it('a log that was copied is found in its folder', async () => {
    const chunks = [{ bytes: Buffer.from('output'), next: 6 }]
    const nothing = { bytes: Buffer.alloc(0), next: 6 }
    await logFiles(folder, 1_000).keep({ id: 't', attempt: 1 }, 's', async () => chunks.shift() ?? nothing)
    expect(disk.synced()).toEqual([at('logs', 't', '1-s.log'), at('logs', 't'), at('logs')])
  })

  it('a folder that was moved is in its new place alone, and a file is not moved before its bytes are there', async () => {
    mkdirSync(at('from', 'one', 'inner'), { recursive: true })
    moveDurable(at('from', 'one'), at('two'))
    expect(disk.synced()).toEqual([folder, at('from')])
    mkdirSync(at('three'))
    moveContent(at('two'), at('three'))
    expect([readdirSync(folder), readdirSync(at('three')), disk.lost()]).toEqual([['from', 'three'], ['inner'], []])
    writeFileSync(at('draft'), 'x')
    await publishFile(at('draft'), at('three', 'file'))
    expect([existsSync(at('draft')), disk.lost()]).toEqual([false, []])
  })
})

describe('a file that is written durably', () => {
  it('is the old one when the new one cannot be written, and leaves no draft', () => {
    mkdirSync(at('file'))
    expect(() => writeDurable(at('file'), 'new')).toThrow()
    expect(readdirSync(folder)).toEqual(['file'])
  })

  it('is created once: the second one learns that it is there', () => {
    expect([createDurable(at('file'), 'first'), createDurable(at('file'), 'second')]).toEqual([true, false])
    expect([readFileSync(at('file'), 'utf8'), readdirSync(folder)]).toEqual(['first', ['file']])
  })

  it('has every byte, however many there are', () => {
    const bytes = randomBytes(3_000_000)
    writeDurable(at('file'), bytes)
    expect(readFileSync(at('file')).equals(bytes)).toBe(true)
  })
})
