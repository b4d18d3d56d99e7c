/** Files in Git LFS with real git-lfs: their content on the node, and what an agent made of them at home and at the remote. */
import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { afterFile } from '../../../support/after-file.ts'
import { cliWith } from '../../../support/cli.ts'
import { type GitServer, gitServer } from '../../../support/daemon/git-server.ts'
import { type Home, makeHome } from '../../../support/daemon/home.ts'
import { startAgentProcess } from '../../../unit/src/agent/support/agent.ts'

const TOKEN = 'a-token-for-git'
const LIMIT_MS = 600_000
const ANY_LOAD = '[nodes]\ncpu_threshold_percent = 100\nmemory_threshold_percent = 100\n'

const root = mkdtempSync(path.join(tmpdir(), 'tdf-lfs-'))
afterFile(() => rmSync(root, { recursive: true, force: true }))
const gitconfig = path.join(root, 'gitconfig')
/** In front of others in PATH: without git-lfs. */
const without = path.join(root, 'without')

let home: Home
let server: GitServer

beforeAll(async () => {
  mkdirSync(without)
  writeFileSync(path.join(without, 'git-lfs'), '#!/bin/sh\nexit 127\n', { mode: 0o755 })
  server = await gitServer(path.join(root, 'served'), TOKEN)
  const name = ['user.name=you', 'user.email=you@localhost', 'init.defaultBranch=main', 'lfs.locksverify=false']
  for (const setting of [...name, `credential.helper=!printf 'username=you\\npassword=${TOKEN}\\n';:`]) {
    const [key = '', ...value] = setting.split('=')
    execFileSync('git', ['config', '-f', gitconfig, key, value.join('=')])
  }
  execFileSync('git', ['lfs', 'install', '--skip-repo'], { env: { ...process.env, GIT_CONFIG_GLOBAL: gitconfig } })
  const box = await startAgentProcess({ name: 'box' })
  const bare = await startAgentProcess({ name: 'bare', env: { PATH: `${without}:${process.env.PATH}` } })
  const nodes = [box, bare].map(
    ({ url, token }, at) =>
      `[[providers.static.nodes]]\nname = "${at === 0 ? 'box' : 'bare'}"\nurl = "${url}"\ntoken = "${token}"\n`,
  )
  const { host } = new URL(server.url)
  home = makeHome(`${ANY_LOAD}[push]\ntokens = { "${host}" = "GIT_TOKEN" }\n${nodes.join('')}`)
  await home.start({ GIT_TOKEN: TOKEN })
}, 180_000)
afterAll(async () => {
  await home.remove()
  await server.close()
}, 60_000)

const env = () => ({ ...process.env, GIT_CONFIG_GLOBAL: gitconfig, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' })
/** Not waiting in this process, which is the server. */
const sh = async (cwd: string, script: string) =>
  (await promisify(execFile)('sh', ['-ec', script], { cwd, env: env(), encoding: 'utf8' })).stdout.trim()
const hashOf = (content: Buffer) => createHash('sha256').update(content).digest('hex')

let count = 0
/** A folder with `x.bin` in Git LFS, and the bare repository that it was pushed to. */
async function repository(): Promise<{ folder: string; url: string; content: string }> {
  const name = `r${++count}`
  const served = path.join(root, 'served', `${name}.git`)
  mkdirSync(served, { recursive: true })
  await sh(served, 'git init -q --bare; git config http.receivepack true')
  const folder = path.join(root, name)
  mkdirSync(folder)
  await sh(folder, `git init -q; git lfs track '*.bin' > ../tracked; git remote add origin ${server.url}/${name}.git`)
  writeFileSync(path.join(folder, 'x.bin'), Buffer.alloc(200_000, name))
  await sh(folder, 'git add -A; git commit -qm first')
  return { folder, url: `${server.url}/${name}.git`, content: hashOf(readFileSync(path.join(folder, 'x.bin'))) }
}

/** One file committed, one changed and one new that are not. */
const WORK = `git lfs ls-files --long; sha256sum *.bin; git status --porcelain
printf 'committed %200s' x > committed.bin; git add -A; git commit -qm work || :; printf 'more' >> x.bin; printf 'left %300s' y > left.bin`

async function run(words: string[], cwd = root, script = WORK): Promise<{ task: TaskJson; log: string; said: string }> {
  const around = { cwd, env: { GIT_CONFIG_GLOBAL: gitconfig } }
  const { out, err } = await cliWith(home, around, 'submit', ...words, '--json', '--wait', '--', 'sh', '-ec', script)
  if (out === '') throw new Error(err)
  const task: TaskJson = JSON.parse(out)
  return { task, log: (await cliWith(home, around, 'logs', task.id)).out, said: err }
}

const tdf = (cwd: string, ...words: string[]) =>
  cliWith(home, { cwd, env: { GIT_CONFIG_GLOBAL: gitconfig, GIT_TERMINAL_PROMPT: '0' } }, ...words)

/** What the work made, as contents by file. */
const made = (before: Buffer) => ({
  'committed.bin': hashOf(Buffer.from(`committed ${'x'.padStart(200)}`)),
  'left.bin': hashOf(Buffer.from(`left ${'y'.padStart(300)}`)),
  'x.bin': hashOf(Buffer.concat([before, Buffer.from('more')])),
})
const inTree = async (cwd: string) =>
  Object.fromEntries((await sh(cwd, 'sha256sum *.bin')).split('\n').map(line => line.split('  ').reverse()))

describe('a folder', () => {
  it(
    'has the content of its files in Git LFS on the node, and gets that of new ones by pull and by apply',
    async () => {
      const { folder, content } = await repository()
      const before = readFileSync(path.join(folder, 'x.bin'))
      const { task, log, said } = await run(['--node', 'box'], folder)
      expect(task).toMatchObject({ status: 'completed', error: null, leftOut: [] })
      expect(said).not.toContain('Git LFS')
      expect(log.split('\n')).toContain(`${content}  x.bin`)
      expect(log).not.toContain(' M ')
      expect(await tdf(folder, 'apply', task.id)).toMatchObject({ code: 0 })
      expect(await inTree(folder)).toEqual(made(before))
      await sh(folder, 'git reset -q --hard; git clean -qfd; rm -rf .git/lfs/objects/*')
      await sh(folder, `printf '' > keep; git lfs ls-files`)
      const pulled = await tdf(folder, 'pull', task.id)
      expect(pulled.code).toBe(0)
      await sh(folder, `git checkout -q ${task.result?.branch}`)
      expect(await inTree(folder)).toEqual(made(before))
      for (const file of ['x.bin', 'left.bin', 'committed.bin']) {
        expect(await sh(folder, `git cat-file blob HEAD:${file}`)).toMatch(/^version https:\/\/git-lfs/)
      }
    },
    LIMIT_MS,
  )

  it(
    'says which files stay behind, and works with their pointers, where its own store lacks them',
    async () => {
      const { folder } = await repository()
      await sh(
        folder,
        'rm -rf .git/lfs/objects x.bin; GIT_LFS_SKIP_SMUDGE=1 git checkout -q x.bin; git remote remove origin',
      )
      const { task, log, said } = await run(['--node', 'box'], folder, 'cat x.bin; echo done > a')
      expect(said).toContain(
        '1 file in Git LFS stays behind, and the workspace has pointers: the repository has no remote',
      )
      expect(log).toContain('version https://git-lfs')
      expect(task).toMatchObject({ status: 'completed', leftOut: [], result: { filesChanged: 1 } })
    },
    LIMIT_MS,
  )

  it(
    'has what its store lacks fetched from its remote',
    async () => {
      const { folder, content } = await repository()
      await sh(
        folder,
        'git push -q origin main; rm -rf .git/lfs/objects x.bin; GIT_LFS_SKIP_SMUDGE=1 git checkout -q x.bin',
      )
      const { log } = await run(['--node', 'box'], folder, 'sha256sum x.bin')
      expect(log).toContain(`${content}  x.bin`)
    },
    LIMIT_MS,
  )

  it(
    'brings only what is new when one of two files changed',
    async () => {
      const { folder } = await repository()
      await sh(folder, `head -c 3000000 /dev/urandom > y.bin; git add -A; git commit -qm y`)
      await run(['--node', 'box'], folder, 'true')
      await sh(folder, `echo new > x.bin; git commit -qam x`)
      const { task, log } = await run(['--node', 'box'], folder, 'sha256sum *.bin')
      expect(task.status).toBe('completed')
      expect(log).toContain(`${hashOf(Buffer.from('new\n'))}  x.bin`)
      expect(log).toContain(`${hashOf(readFileSync(path.join(folder, 'y.bin')))}  y.bin`)
    },
    LIMIT_MS,
  )

  it(
    'comes as pointers where the node has no git-lfs, which is said, and nothing of it counts as changed',
    async () => {
      const { folder } = await repository()
      const { task, log } = await run(['--node', 'bare'], folder, 'cat x.bin; echo done > a')
      expect(log).toContain('version https://git-lfs')
      expect(task.leftOut).toEqual([
        {
          path: 'the workspace',
          bytes: null,
          reason: '1 of 1 files in Git LFS are pointers: git-lfs is not installed on the node',
        },
      ])
      expect(task).toMatchObject({ status: 'completed', result: { filesChanged: 1 } })
    },
    LIMIT_MS,
  )

  it(
    'has the content in an attempt that goes on from what another made',
    async () => {
      const { folder } = await repository()
      const before = readFileSync(path.join(folder, 'x.bin'))
      const { task } = await run(['--node', 'box'], folder)
      const again = await tdf(folder, 'continue', task.id, 'more', '--wait', '--json')
      expect(JSON.parse(again.out)).toMatchObject({ status: 'completed', attempt: 2 })
      const log = (await tdf(folder, 'logs', task.id)).out
      for (const [file, hash] of Object.entries(made(before))) expect(log).toContain(`${hash}  ${file}`)
    },
    LIMIT_MS,
  )
})

describe('a url', () => {
  it(
    'has the content on the node, fetched once, and a push brings that of new files to its server',
    async () => {
      const { folder, url, content } = await repository()
      const before = readFileSync(path.join(folder, 'x.bin'))
      await sh(folder, 'git push -q origin main')
      const { task, log } = await run(['--repo', url, '--node', 'box'])
      expect(task).toMatchObject({ status: 'completed', error: null, leftOut: [] })
      expect(log.split('\n')).toContain(`${content}  x.bin`)
      const fetched = server.large.downloads()
      await run(['--repo', url, '--node', 'local'], root, 'true')
      expect(server.large.downloads()).toBe(fetched)
      expect(await tdf(root, 'push', task.id, '--remote', url)).toMatchObject({ code: 0 })
      for (const hash of Object.values(made(before))) expect(server.large.objects.has(hash)).toBe(true)
      await sh(folder, `git fetch -q; git checkout -q origin/${task.result?.branch}`)
      expect(await inTree(folder)).toEqual(made(before))
    },
    LIMIT_MS,
  )

  it(
    'whose server lacks the content is worked on with pointers, and the task says so',
    async () => {
      const { folder, url } = await repository()
      await sh(folder, 'git push -q --no-verify origin main')
      const { task, log } = await run(['--repo', url, '--node', 'box'], root, 'cat x.bin')
      expect(log).toContain('version https://git-lfs')
      expect(task.leftOut[0]?.reason).toContain('1 of 1 files in Git LFS are pointers: ')
    },
    LIMIT_MS,
  )

  it(
    'is cloned by the node with its content, where nodes fetch',
    async () => {
      const { folder, url, content } = await repository()
      await sh(folder, 'git push -q origin main')
      const open = await gitServer(path.join(root, 'served'), null)
      for (const [hash, bytes] of server.large.objects) open.large.objects.set(hash, bytes)
      const { url: boxUrl, token } = await startAgentProcess({ name: 'box' })
      const other = makeHome(
        `${ANY_LOAD}[repositories]\nfetch = "node"\n[[providers.static.nodes]]\nname = "box"\nurl = "${boxUrl}"\ntoken = "${token}"\n`,
      )
      try {
        await other.start()
        const from = url.replace(server.url, open.url)
        const words = [
          'submit',
          '--repo',
          from,
          '--node',
          'box',
          '--json',
          '--wait',
          '--',
          'sh',
          '-ec',
          'sha256sum x.bin',
        ]
        const { out, err } = await cliWith(other, {}, ...words)
        expect(err + out).toContain('"completed"')
        expect((await cliWith(other, {}, 'logs', JSON.parse(out).id)).out).toContain(`${content}  x.bin`)
      } finally {
        await other.remove()
        await open.close()
      }
      expect(existsSync(folder)).toBe(true)
    },
    LIMIT_MS,
  )
})
