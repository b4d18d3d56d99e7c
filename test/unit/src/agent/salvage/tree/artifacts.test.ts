/** Files that are to be kept beside a result: each is there, or named with the reason that matters most. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { salvage } from '../../../../../../src/agent/salvage/salvage.ts'
import { hasMade } from '../../../../../../src/core/saved.ts'
import { REF, scene, template } from '../scene.ts'

const wish = (maxBytes: number, ...globs: string[]) => ({ globs, maxBytes })

it('one that fits neither beside the result nor into it counts as work that was left out', async () => {
  const { agent, workspace, sh } = scene(template())
  sh('head -c 5000 /dev/zero > big.bin')
  const answer = await salvage(agent, workspace, REF, 1_000, wish(1_000, '*.bin'))
  expect(answer.leftOut).toMatchObject([{ path: 'big.bin', kind: 'oversize', bytes: 5_000 }])
  expect(hasMade(answer)).toBe(true)
})

it('one that fits into the result alone is named as what is not kept beside it', async () => {
  const { agent, workspace, sh, files } = scene(template())
  sh('head -c 5000 /dev/zero > big.bin')
  const { leftOut } = await salvage(agent, workspace, REF, 10_000, wish(1_000, '*.bin'))
  expect(leftOut).toMatchObject([{ path: 'big.bin', kind: 'artifact' }])
  expect(files()).toContain('big.bin')
})

it('a folder of them that cannot be listed is named', async () => {
  const { agent, workspace, folder } = scene(template())
  const odd = Buffer.concat([Buffer.from(join(folder, 'artifacts', 'f')), Buffer.from([0xfc]), Buffer.from('nf')])
  mkdirSync(odd, { recursive: true })
  writeFileSync(Buffer.concat([odd, Buffer.from('/report')]), 'lost')
  writeFileSync(join(folder, 'artifacts', 'log'), 'kept')
  const { files, leftOut } = await salvage(agent, workspace, REF, 1_000, wish(1_000))
  expect(files?.list.map(({ path }) => path)).toEqual(['log'])
  expect(leftOut).toMatchObject([{ path: expect.stringMatching(/^f.*nf\/$/), reason: 'it could not be read' }])
})
