/** A box that is prepared right now: `tdf why` of a task that waits for it says what is done there, with bytes and percent. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { cli } from '../../../support/cli.ts'
import { type Home, makeHome, makeRepository, until } from '../../../support/daemon/home.ts'

/** In the place of ssh: a box with Node that takes a part of the agent, and no more of it before the file `go` is there. */
const CLIENT = `#!/bin/sh
case "$*" in
*isSystem=*) printf '%s\\n' isSystem=no base=/nonexistent state=/nonexistent nodeVersion=v22.1.0 ;;
*sha256sum\\ -c*) head -c 200000 > /dev/null; until [ -e "$HOME/go" ]; do sleep 0.05; done; exit 1 ;;
*) cat > /dev/null ;;
esac
`
let home: Home
let repo: ReturnType<typeof makeRepository>
beforeEach(() => {
  repo = makeRepository()
  home = makeHome(`
[providers.local]
enabled = false
[[providers.static.nodes]]
name = "box1"
ssh = "me@box1"
`)
})
afterEach(async () => {
  writeFileSync(path.join(home.dir, 'go'), '')
  await home.remove()
  repo.remove()
})

it('says how much of the agent was uploaded to the box that a task waits for', async () => {
  const bin = path.join(home.dir, 'bin')
  mkdirSync(bin)
  writeFileSync(path.join(bin, 'ssh'), CLIENT)
  chmodSync(path.join(bin, 'ssh'), 0o755)
  await home.start({ PATH: `${bin}:${process.env.PATH}` })
  const id = (await cli(home, 'submit', '--repo', repo.dir, '-q', '--', 'true')).out.trim()
  const why = async () => (await cli(home, 'why', id)).out
  await until('the upload is told of', async () => /uploading the agent, .* of .*B \(\d+ %\)/.test(await why()))
  expect(await why()).toMatch(/waits for the agent of box1 \(uploading the agent, \S+ of \S+ [kM]B \([1-9]\d? %\)\)/)
})
