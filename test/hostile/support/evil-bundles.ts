/** Bundles as no honest git writes them, made object by object. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { deflateSync } from 'node:zlib'

export interface Evil {
  what: string
  /** Writes a bundle that names `ref` into `file`, over the repository in `dir`; answers the commit that it speaks of. */
  write(dir: string, ref: string, file: string): string
  /** Why it is refused. */
  says: RegExp
}

const PERSON = 'e <e@localhost> 1700000000 +0000'

/** Objects of a repository, also such that git would not make. */
export function objectsOf(dir: string) {
  const git = (args: string[], input?: string | Buffer) =>
    execFileSync('git', args, { cwd: dir, input, maxBuffer: 2 ** 30 })
  const made: string[] = []
  const add = (type: string, content: string | Buffer) => {
    const oid = git(['hash-object', '-t', type, '-w', '--stdin', '--literally'], content).toString().trim()
    made.push(oid)
    return oid
  }
  return {
    made,
    head: () => git(['rev-parse', 'HEAD']).toString().trim(),
    blob: (content: string) => add('blob', content),
    tree: (...entries: [mode: string, name: string, oid: string][]) =>
      add(
        'tree',
        Buffer.concat(
          entries.flatMap(([mode, name, oid]) => [Buffer.from(`${mode} ${name}\0`), Buffer.from(oid, 'hex')]),
        ),
      ),
    commit: (tree: string, parent?: string, header = `author ${PERSON}\ncommitter ${PERSON}\n`) =>
      add('commit', `tree ${tree}\n${parent ? `parent ${parent}\n` : ''}${header}\nevil\n`),
    pack: (oids: readonly string[]) =>
      git(['pack-objects', '--stdout', '-q', '--window=0'], oids.map(oid => `${oid}\n`).join('')),
  }
}

/** Refs and prerequisites by the form of gitformat-bundle(5). */
export function writeBundle(
  file: string,
  refs: readonly [oid: string, name: string][],
  pack: Buffer,
  needs: readonly string[] = [],
): void {
  const lines = [...needs.map(oid => `-${oid} base`), ...refs.map(([oid, name]) => `${oid} ${name}`)]
  writeFileSync(file, Buffer.concat([Buffer.from(`# v2 git bundle\n${lines.join('\n')}\n\n`), pack]))
}

type Objects = ReturnType<typeof objectsOf>

/** A bundle of one commit on HEAD whose tree is what `tree` makes. */
function ofTree(what: string, says: RegExp, tree: (objects: Objects) => string): Evil {
  return {
    what,
    says,
    write(dir, ref, file) {
      const objects = objectsOf(dir)
      const base = objects.head()
      const commit = objects.commit(tree(objects), base)
      writeBundle(file, [[commit, ref]], objects.pack(objects.made), [base])
      return commit
    },
  }
}

const within = (name: string) => (objects: Objects) =>
  objects.tree(['40000', name, objects.tree(['100755', 'hook', objects.blob('#!/bin/sh\n')])])

/** A bundle that is right but for what `change` makes of its parts. */
function ofParts(
  what: string,
  says: RegExp,
  change: (parts: { commit: string; ref: string; pack: Buffer; base: string; objects: Objects }) => {
    refs?: [string, string][]
    pack?: Buffer
    needs?: string[]
    commit?: string
  },
): Evil {
  return {
    what,
    says,
    write(dir, ref, file) {
      const objects = objectsOf(dir)
      const base = objects.head()
      const commit = objects.commit(objects.tree(['100644', 'a', objects.blob('a')]), base)
      const right = { commit, ref, base, objects, pack: objects.pack(objects.made) }
      const { refs, pack, needs, commit: other } = change(right)
      writeBundle(file, refs ?? [[commit, ref]], pack ?? right.pack, needs ?? [base])
      return other ?? commit
    },
  }
}

const NOWHERE = 'deadbeef'.repeat(5)

export const EVILS: readonly Evil[] = [
  ofTree('a tree with .git in it', /hasDotgit/, within('.git')),
  ofTree('a tree with .GIT in it', /hasDotgit/, within('.GIT')),
  ofTree('a tree with GIT~1 in it', /hasDotgit/, within('GIT~1')),
  ofTree('a tree with .. in it', /hasDotdot/, within('..')),
  ofTree('a tree with a path as a name', /fullPathname/, within('a/../../b')),
  ofTree('a tree with one name twice', /duplicateEntries/, objects => {
    const oid = objects.blob('a')
    return objects.tree(['100644', 'a', oid], ['120000', 'a', oid])
  }),
  ofTree('a .gitmodules that is a link', /gitmodulesSymlink/, objects =>
    objects.tree(['120000', '.gitmodules', objects.blob('../outside')]),
  ),
  ofTree('a .gitmodules whose url is an option', /gitmodulesUrl/, objects =>
    objects.tree(['100644', '.gitmodules', objects.blob('[submodule "a"]\n\tpath = a\n\turl = -u./evil\n')]),
  ),
  ofTree('a .gitmodules whose name is a path', /gitmodulesName/, objects =>
    objects.tree([
      '100644',
      '.gitmodules',
      objects.blob('[submodule "../../hooks"]\n\tpath = a\n\turl = https://localhost/a\n'),
    ]),
  ),
  ofParts('a commit without an author', /missingAuthor/, ({ objects, ref, base }) => {
    const commit = objects.commit(objects.tree(['100644', 'a', objects.blob('a')]), base, '')
    return { refs: [[commit, ref]], pack: objects.pack(objects.made), commit }
  }),
  ofParts('a commit without its tree', /did not receive expected object|missing/, ({ objects, commit }) => ({
    pack: objects.pack([commit]),
  })),
  ofParts('a ref that names what it does not hold', /it names deadbeef/, ({ ref }) => ({
    refs: [[NOWHERE, ref]],
    commit: NOWHERE,
  })),
  ofParts('a base that nobody has', /builds on deadbeef|unresolved/, () => ({ needs: [NOWHERE] })),
  ofParts('a ref outside of all folders', /it names/, ({ commit }) => ({ refs: [[commit, 'refs/tdf/../../x']] })),
  ofParts('a ref that is an option', /it names/, ({ commit }) => ({ refs: [[commit, '--upload-pack=evil']] })),
  ofParts('one ref twice', /it names/, ({ commit, base, ref }) => ({
    refs: [
      [commit, ref],
      [base, ref],
    ],
  })),
  ofParts('a pack that is cut off', /early EOF|eof/i, ({ pack }) => ({ pack: pack.subarray(0, pack.length - 30) })),
  ofParts('a pack of other bytes', /it holds no pack/, () => ({ pack: Buffer.from('no pack at all') })),
  ofParts('a pack that claims four billion objects', /allocat|EOF|memory/i, ({ pack }) => {
    const lying = Buffer.from(pack)
    lying.writeUInt32BE(0xffff_fff0, 8)
    return { pack: lying }
  }),
  ofParts('a delta of some bytes that stands for two gigabytes', /attempting to allocate|memory/, () => ({
    pack: deltaBomb(2_048),
  })),
]

/** A blob of a MiB and a delta that repeats it (gitformat-pack(5)). */
function deltaBomb(mebibytes: number): Buffer {
  const base = Buffer.alloc(2 ** 20, 'a')
  const copyAll = Buffer.from([0x80 | 0x40, 0x10])
  const delta = Buffer.concat([
    varint(base.length),
    varint(mebibytes * base.length),
    ...Array.from({ length: mebibytes }, () => copyAll),
  ])
  const oid = createHash('sha1').update(`blob ${base.length}\0`).update(base).digest()
  const head = Buffer.alloc(12)
  head.write('PACK')
  head.writeUInt32BE(2, 4)
  head.writeUInt32BE(2, 8)
  const body = Buffer.concat([
    head,
    ...[entryHeader(3, base.length), deflateSync(base)],
    ...[entryHeader(7, delta.length), oid, deflateSync(delta)],
  ])
  return Buffer.concat([body, createHash('sha1').update(body).digest()])
}

function varint(value: number): Buffer {
  const bytes = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest])
    bytes.push((rest % 128) | 0x80)
  }
}

function entryHeader(type: number, size: number): Buffer {
  const rest = Math.floor(size / 16)
  const first = (type << 4) | (size % 16)
  return rest === 0 ? Buffer.from([first]) : Buffer.concat([Buffer.from([first | 0x80]), varint(rest)])
}

/** A repository with one commit, for objects that are to be made. */
export function emptyRepository(dir: string): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: dir, stdio: 'ignore' })
  git('init', '--quiet', '.')
  writeFileSync(path.join(dir, 'README.md'), '# a project\n')
  git('add', '--all')
  git('-c', 'user.name=e', '-c', 'user.email=e@localhost', 'commit', '--quiet', '--message', 'first')
  return dir
}
