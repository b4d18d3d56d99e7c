/** `tdf secret set` asked by a person: the value is typed and not shown. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Home, makeHome } from '../../support/daemon/home.ts'
import { openTmux, type Tmux } from '../../support/screen/tmux.ts'

const program = path.join(import.meta.dirname, '..', '..', '..', 'dist', 'tdf.js')

let home: Home
let terminal: Tmux
beforeEach(async () => {
  home = makeHome()
  await home.start()
  terminal = openTmux(home.env, 100, 24)
  terminal.type(`node ${program} secret set A_KEY; echo "left with $?"`)
  await terminal.sees(/^A_KEY:/m)
})
afterEach(async () => {
  terminal.close()
  await home.remove()
})

const kept = () => path.join(home.dir, 'state', 'secrets', 'A_KEY')

it('a value that is typed is stored, corrected as it was, and never on the screen', async () => {
  terminal.keys('s', 'e', 'x', 'BSpace', 'c', 'r', 'e', 't', '-', '1', 'Enter')
  await terminal.sees('left with 0')
  expect(terminal.lines().join('\n')).not.toMatch(/s(ex)?cret-1/)
  expect(readFileSync(kept(), 'utf8')).toBe('secret-1')
  terminal.type('echo shown again')
  await terminal.sees(/^shown again/m)
})

it('Ctrl-C stores nothing and leaves the terminal as it was', async () => {
  terminal.keys('a', 'b', 'C-c')
  await terminal.sees('left with 130')
  expect(existsSync(kept())).toBe(false)
  terminal.type('echo shown again')
  await terminal.sees(/# echo shown again/)
})
