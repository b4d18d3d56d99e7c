/** Bundles from outside: what is evil comes in not at all, and what is old and odd does. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { git } from '../../../../../src/platform/git.ts'
import { type BundleTarget, unpackBundle } from '../../../../../src/platform/objects/bundle.ts'
import { EVILS, emptyRepository, objectsOf, writeBundle } from '../../../../hostile/support/evil-bundles.ts'
import { afterFile } from '../../../../support/after-file.ts'

const REF = 'refs/tdf/t1/1'
let root: string
/** Where objects are made, and where they are to come: both begin with the same commit. */
let from: string
let to: string
let target: BundleTarget

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'tdf-bundle-'))
  const made = root
  afterFile(() => rmSync(made, { recursive: true, force: true }))
  from = path.join(root, 'from')
  to = path.join(root, 'to, with a name: as it may be')
  mkdirSync(from)
  emptyRepository(from)
  execFileSync('git', ['clone', '--quiet', '--bare', '--no-local', from, to])
  target = {
    objects: path.join(to, 'objects'),
    git: (args, options) => git(['--git-dir', to, ...args], { cwd: to, ...options }),
  }
})

const bundle = () => path.join(root, 'a bundle')
const has = async (oid: string) => (await target.git(['cat-file', '-e', oid], PLAIN)).exitCode === 0
const PLAIN = { env: {}, timeoutMs: 60_000, input: '' }

describe('a bundle', () => {
  it.each(EVILS.map(evil => [evil.what, evil] as const))(
    'with %s is refused, and nothing of it stays',
    async (_, { write, says }) => {
      const before = execFileSync('find', [to], { encoding: 'utf8' })
      const commit = write(from, REF, bundle())
      await expect(unpackBundle(bundle(), target)).rejects.toMatchObject({
        code: 'RESULT_BROKEN',
        message: expect.stringMatching(says),
      })
      expect(await has(commit)).toBe(false)
      expect(execFileSync('find', [to], { encoding: 'utf8' })).toBe(before)
    },
  )

  it.each([1, 500])('with %i honest files comes in whole, and its refs are told', async files => {
    const objects = objectsOf(from)
    const entries = Array.from({ length: files }, (_, at): [string, string, string] => [
      ...(['100644', `f${String(at).padStart(4, '0')}`] as const),
      objects.blob(`file ${at}`),
    ])
    const base = objects.head()
    const commit = objects.commit(objects.tree(...entries), base)
    writeBundle(bundle(), [[commit, REF]], objects.pack(objects.made), [base])
    expect([...(await unpackBundle(bundle(), target))]).toEqual([[REF, commit]])
    const listed = await target.git(['ls-tree', '-r', commit], PLAIN)
    expect(listed.stdout.trim().split('\n').length).toBe(files)
    expect((await target.git(['fsck', '--strict'], PLAIN)).exitCode).toBe(0)
    expect(readdirSync(target.objects).filter(name => name.startsWith('tmp'))).toEqual([])
    // Again: nothing changes.
    expect([...(await unpackBundle(bundle(), target))]).toEqual([[REF, commit]])
  })

  it('of an old history, with modes and names as they were written then, comes in', async () => {
    const objects = objectsOf(from)
    const inner = objects.tree(['100644', 'a', objects.blob('a')])
    const commit = objects.commit(
      objects.tree(['040000', 'folder', inner]),
      undefined,
      'author old <old> 1100000000 +0000\ncommitter  <old> 1100000000 +051800\n',
    )
    writeBundle(bundle(), [[commit, REF]], objects.pack(objects.made))
    await unpackBundle(bundle(), target)
    expect(await has(`${commit}^{commit}`)).toBe(true)
  })

  it('over a base that would be refused itself, which is here already, comes in', async () => {
    const objects = objectsOf(from)
    const modules = objects.blob('[submodule "a"]\n\tpath = a\n\turl = -u./evil\n')
    const base = objects.commit(objects.tree(['100644', '.gitmodules', modules]))
    for (const [type, oid] of [
      ['blob', modules],
      ['commit', base],
      ['tree', `${base}^{tree}`],
    ] as const) {
      const content = execFileSync('git', ['cat-file', type, oid], { cwd: from })
      execFileSync('git', ['hash-object', '-t', type, '-w', '--stdin', '--literally'], { cwd: to, input: content })
    }
    const [made] = [objects.blob('new')]
    const tree = objects.tree(['100644', '.gitmodules', modules], ['100644', 'new', made])
    const commit = objects.commit(tree, base)
    writeBundle(bundle(), [[commit, REF]], objects.pack([made, tree, commit]), [base])
    await unpackBundle(bundle(), target)
    expect(await has(`${commit}^{commit}`)).toBe(true)
  })

  it.each([
    ['nothing', ''],
    ['other text', 'hello\n\nworld'],
    ['a header without an end', `# v2 git bundle\n${`${'1'.repeat(40)} refs/heads/x\n`.repeat(300_000)}`],
    ['a partial history', '# v3 git bundle\n@filter=blob:none\n\nPACK'],
  ])('of %s is none', async (_, text) => {
    writeFileSync(bundle(), text)
    await expect(unpackBundle(bundle(), target)).rejects.toMatchObject({ code: 'RESULT_BROKEN' })
  })
})
