/** One salvage of one work tree: what it saves on HEAD, what it names, and what it does where HEAD cannot be built on. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { COMMIT, REF, scene, type Template, template } from './scene.ts'

let plain: Template
beforeAll(() => {
  plain = template()
})

const leftOf = ({ leftOut }: { leftOut: readonly { path: string }[] }) => leftOut.map(({ path }) => path).sort()
const broken = (path: string) => expect.objectContaining({ path, kind: 'broken' })

describe('a work tree', () => {
  it('in which nothing was made is its base commit', async () => {
    const s = scene(plain)
    const answer = await s.salvage()
    expect(answer).toEqual({
      ...{ commit: s.base, baseCommit: s.base, ahead: 0, salvaged: false, saved: [], leftOut: [], files: null },
    })
    expect(s.kept('rev-parse', REF)).toBe(s.base)
    expect(readdirSync(join(s.folder, 'scratch'))).toEqual([])
    expect(s.logged).toEqual([])
  })

  it('with changed, new, deleted, linked and executable files is one commit on top of HEAD', async () => {
    const s = scene(plain, { trailer: 'Assisted-by: tdf' })
    s.sh(
      `${COMMIT('one')}; echo x > a.txt; rm -r d; mkdir n; echo n > n/n; ln -s /etc/passwd l; echo r > r; chmod +x r`,
    )
    const answer = await s.salvage()
    expect(answer).toMatchObject({ ahead: 2, salvaged: true, saved: [], leftOut: [] })
    expect(s.files()).toEqual(['.gitignore', 'a.txt', 'l', 'n/n', 'one', 'r'])
    expect(s.kept('show', `${REF}:a.txt`)).toBe('x')
    expect(s.kept('ls-tree', REF, 'l', 'r')).toMatch(/^120000 .*\n100755 /)
    const [who, when, message] = s.kept('log', '-1', '--format=%an %ae %cn %ce%n%aI %cI%n%B', REF).split('\n')
    expect(who).toBe('Ann Author ann@example.com Ann Author ann@example.com')
    expect(new Date(when?.split(' ')[1] ?? '').toISOString()).toBe('2026-01-02T03:04:05.000Z')
    expect(message).toBe('Work of task task-1 that was not committed')
    expect(s.kept('log', '-1', '--format=%B', REF)).toContain('at the end of attempt 1.\n\nAssisted-by: tdf')
  })

  it('from which files were only deleted is one commit more', async () => {
    const s = scene(plain)
    s.sh('rm -r d')
    expect(await s.salvage()).toMatchObject({ ahead: 1, salvaged: true, leftOut: [] })
    expect(s.files()).toEqual(['.gitignore', 'a.txt'])
  })

  it('gives the same commit again, and is not looked at again until a session ran', async () => {
    const s = scene(plain)
    s.sh('echo x > x')
    const first = await s.salvage()
    s.sh('echo y > y')
    expect(await s.salvage()).toEqual(first)
    s.session('s-1', 1)
    const second = await s.salvage()
    expect(second.commit).not.toBe(first.commit)
    expect(s.files()).toContain('y')
    // What was kept is gone: then it is all saved once more.
    s.kept('update-ref', '-d', REF)
    expect(await s.salvage()).toEqual(second)
    expect(s.kept('rev-parse', REF)).toBe(second.commit)
  })

  it('where files became folders and folders files has them as they are', async () => {
    const s = scene(plain)
    s.sh('rm a.txt; mkdir a.txt; echo in > a.txt/in; rm -r d; echo d > d')
    expect(await s.salvage()).toMatchObject({ leftOut: [], salvaged: true })
    expect(s.files()).toEqual(['.gitignore', 'a.txt/in', 'd'])
  })

  it('has what was added against the ignore rules, and not what is merely ignored', async () => {
    const s = scene(plain)
    s.sh('echo f > forced.log; git add -f forced.log; echo i > ignored.log; mkdir -p .claude/x; echo y > .claude/x/y')
    s.sh('echo gone > gone.log; git add -f gone.log; rm gone.log; mkdir was; echo w > was/w.log; git add -f was/w.log')
    s.sh('rm -r was; echo file > was')
    const answer = await s.salvage()
    expect(s.files()).toEqual(['.gitignore', 'a.txt', 'd/b.txt', 'forced.log', 'was'])
    expect(answer.leftOut).toEqual([
      { path: '.claude/', bytes: null, reason: 'the ignore rules name it', kind: 'ignored' },
      { path: 'ignored.log', bytes: 2, reason: 'the ignore rules name it', kind: 'ignored' },
    ])
  })

  it('has nothing by a path of an index that git itself would not take', async () => {
    const s = scene(plain)
    s.sh('echo i > ignored.log; git update-index --add --cacheinfo 100644,$(git rev-parse HEAD:a.txt),d/__/ignored.log')
    const file = join(s.work, '.git', 'index')
    // As an agent may write it: the last 20 bytes are the hash of the rest (gitformat-index(5)).
    const index = Buffer.from(readFileSync(file, 'latin1').replace('d/__/', 'd/../'), 'latin1').subarray(0, -20)
    writeFileSync(file, Buffer.concat([index, createHash('sha1').update(index).digest()]))
    expect(s.sh('git ls-files')).toContain('d/../ignored.log')
    expect((await s.salvage()).leftOut).toMatchObject([{ path: 'ignored.log', kind: 'ignored' }])
    expect(s.files()).toEqual(['.gitignore', 'a.txt', 'd/b.txt'])
  })

  it('has what was committed in the place of a fifo that the ignore rules name, and nothing by a link in the place of a folder', async () => {
    const s = scene(plain)
    s.sh('echo k > k.log; mkdir was; echo w > was/w.log; git add -f k.log; git commit -qm k; git add -f was/w.log')
    s.sh('mkdir other; mv was/w.log other/; rmdir was; ln -s other was; rm k.log; mkfifo k.log')
    const { leftOut } = await s.salvage()
    expect(leftOut.map(({ path, kind }) => [path, kind])).toEqual([
      ...[['k.log', 'special']],
      ...[['other/w.log', 'ignored']],
    ])
    expect(s.kept('show', `${REF}:k.log`)).toBe('k')
  })

  it('does not name what was ignored before its agent was', async () => {
    const s = scene(plain)
    s.sh('echo s > setup.log; echo m > mine.log')
    writeFileSync(join(s.folder, 'built-ignored.json'), JSON.stringify(['setup.log']))
    expect(leftOf(await s.salvage())).toEqual(['mine.log'])
  })

  it('that is sparse does not lose what is not checked out', async () => {
    const s = scene(plain)
    s.sh('git update-index -q --refresh; git sparse-checkout set --no-cone a.txt; echo new > new.txt')
    expect(existsSync(join(s.work, 'd'))).toBe(false)
    expect(await s.salvage()).toMatchObject({ salvaged: true })
    expect(s.files()).toEqual(expect.arrayContaining(['d/b.txt', 'new.txt', '.gitignore']))
  })

  it('has names that are no text', async () => {
    const s = scene(plain)
    s.sh(`printf x > "$(printf 'b\\377d')"; mkdir "$(printf 'f\\376')"; printf y > "$(printf 'f\\376')/y"`)
    expect(await s.salvage()).toMatchObject({ leftOut: [] })
    expect(s.files()).toEqual(expect.arrayContaining(['"b\\377d"', '"f\\376/y"']))
  })

  it('that is gone as a whole is its last commit', async () => {
    const s = scene(plain)
    rmSync(s.work, { recursive: true })
    const answer = await s.salvage()
    expect(answer).toMatchObject({ commit: s.base, salvaged: false, ahead: 0 })
    expect(answer.leftOut).toEqual([broken('.git')])
  })
})

describe('what does not fit', () => {
  it('is named with its size: the smallest come along, by name where they are as large', async () => {
    const s = scene(plain)
    s.sh('for f in b a c; do printf 12345 > $f; done; printf 123 > small; git init -q in; printf 1234 > in/inner')
    const answer = await s.salvage(13)
    expect(s.files()).toEqual(expect.arrayContaining(['a', 'small', 'in/inner']))
    expect(answer.leftOut.filter(({ kind }) => kind === 'oversize')).toEqual(
      ['b', 'c'].map(path => ({
        path,
        bytes: 5,
        reason: expect.stringContaining('salvage_max_bytes'),
        kind: 'oversize',
      })),
    )
  })

  it('is nothing where all of it fits exactly', async () => {
    const s = scene(plain)
    s.sh('printf 12345 > b; printf 123 > small')
    expect(await s.salvage(8)).toMatchObject({ leftOut: [] })
    expect(s.files()).toEqual(expect.arrayContaining(['b', 'small']))
  })

  it('keeps a file as it was where its new content does not fit', async () => {
    const s = scene(plain)
    s.sh('printf 123456 > a.txt')
    expect(leftOf(await s.salvage(5))).toEqual(['a.txt'])
    expect(s.kept('show', `${REF}:a.txt`)).toBe('second')
  })
})

describe('what git passes over', () => {
  it('is named: fifos, names that it refuses, a .git that is no repository', async () => {
    const s = scene(plain)
    s.sh(
      'mkfifo a; echo c > a.txt; mkfifo fifo; mkdir .GIT; echo x > .GIT/x; mkdir -p sub/.git/deep; echo c > sub/.git/config; echo d > sub/.git/deep/d',
    )
    s.sh(
      'mkdir other; echo text > other/.git; echo ok > sub/ok; mkfifo fifo.log; mkdir -p .claude; mkfifo .claude/fifo',
    )
    const { leftOut } = await s.salvage()
    const kinds = Object.fromEntries(leftOut.map(({ path, kind }) => [path, kind]))
    expect(kinds).toEqual({
      ...{
        a: 'special',
        fifo: 'special',
        '.GIT/x': 'refused',
        'sub/.git/config': 'refused',
        'sub/.git/deep/d': 'refused',
      },
      ...{ 'other/.git': 'refused', '.claude/': 'ignored' },
    })
    expect(leftOut.find(({ path }) => path === '.GIT/x')?.bytes).toBe(2)
    expect(s.files()).toContain('sub/ok')
    expect(s.kept('show', `${REF}:a.txt`)).toBe('c')
  })

  it('is at most twenty files of each such folder', async () => {
    const s = scene(plain)
    s.sh('mkdir -p sub/.git; for i in $(seq 30); do echo $i > sub/.git/$i; done')
    expect((await s.salvage()).leftOut).toHaveLength(20)
  })

  it('is a clean filter, which is not run', async () => {
    const s = scene(plain)
    s.sh(
      `git config filter.crypt.clean 'touch ran; cat'; printf '*.secret filter=crypt\\n*.set filter\\n*.off -filter\\n' > .gitattributes`,
    )
    s.sh('echo s > s.secret; echo t > t.set; echo o > o.off; echo p > plain')
    const { leftOut } = await s.salvage()
    expect(leftOut).toEqual([
      { path: 's.secret', bytes: null, reason: 'its clean filter "crypt" was not run', kind: 'filter' },
    ])
    expect(existsSync(join(s.work, 'ran'))).toBe(false)
  })

  it('is a filter of a tracked .gitattributes too, also of a repository within', async () => {
    const s = scene(template({ '.gitattributes': '*.secret filter=crypt\n', 'a.txt': 'a\n' }))
    s.sh('echo s > s.secret; git init -q in; echo "* filter=x" > in/.gitattributes; echo i > in/i')
    expect(leftOf(await s.salvage())).toEqual(['in/.git', 'in/.gitattributes', 'in/i', 's.secret'])
  })
})

describe('a file that is not in the encoding that its attributes name', () => {
  it('is refused alone, and the others come home', async () => {
    const s = scene(plain)
    s.sh(`echo '*.u16 text working-tree-encoding=UTF-16' > .gitattributes; printf abc > odd.u16`)
    s.sh(`printf 'ok' | iconv -t UTF-16 > good.u16; echo x > x; rm d/b.txt`)
    const { leftOut } = await s.salvage()
    expect(leftOut).toMatchObject([{ path: 'odd.u16', kind: 'refused', bytes: 3 }])
    expect(s.files()).toEqual(['.gitattributes', '.gitignore', 'a.txt', 'good.u16', 'x'])
    expect(s.kept('show', `${REF}:good.u16`)).toBe('ok')
  })
})

describe('what the index of the check-out says', () => {
  it('is not believed of a file that changed within its second, and saves nothing else from being seen', async () => {
    const s = scene(plain)
    const index = join(s.folder, 'built-index')
    s.sh(`touch a.txt d/b.txt; git update-index --refresh; cp -p .git/index ${index}`)
    const { atime, mtime } = statSync(join(s.work, 'a.txt'))
    writeFileSync(join(s.work, 'a.txt'), 'SECOND\n')
    utimesSync(join(s.work, 'a.txt'), atime, mtime)
    s.sh('echo new > new; rm d/b.txt')
    expect(await s.salvage()).toMatchObject({ ahead: 1, salvaged: true, leftOut: [] })
    expect(s.kept('show', `${REF}:a.txt`)).toBe('SECOND')
    expect(s.files()).toEqual(['.gitignore', 'a.txt', 'new'])
    s.sh(`${COMMIT('three')}; echo 4 > three`)
    s.session('s-1', 1)
    expect(await s.salvage()).toMatchObject({ ahead: 2 })
    expect([s.kept('show', `${REF}:three`), s.kept('show', `${REF}~1:a.txt`)]).toEqual(['4', 'SECOND'])
  })

  it('counts for nothing where it was damaged', async () => {
    const s = scene(plain)
    writeFileSync(join(s.folder, 'built-index'), 'no index')
    s.sh('echo new > new')
    expect(await s.salvage()).toMatchObject({ ahead: 1, salvaged: true, leftOut: [] })
    expect(s.files()).toEqual(['.gitignore', 'a.txt', 'd/b.txt', 'new'])
  })
})
