import { beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../../unit/src/agent/support/temp.ts'
import { adapterConformance } from './adapter.suite.ts'
import { claude } from './dialects.ts'
import { openStage, type Stage } from './stage.ts'

adapterConformance('claude', claude)

describe('the adapter of claude, while work goes on in the background', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage('claude')
  })
  const tasks = (...open: Record<string, unknown>[]) =>
    JSON.stringify({ type: 'system', subtype: 'background_tasks_changed', tasks: open })
  const task = { task_id: 'b1', task_type: 'local_bash', description: 'npm test' }
  const nested = JSON.stringify({
    type: 'assistant',
    parent_tool_use_id: 'toolu_1',
    message: { content: [{ type: 'text', text: 'the subagent is at it' }] },
  })

  it('does not end the run before it is over', async () => {
    const session = await stage.begin([
      tasks(task),
      ...claude.done('I wait for it'),
      '@until go',
      // As the real one does: what goes on in the background is stopped once nothing more can come.
      '@open',
      nested,
      '@write background.txt',
      tasks(),
      ...claude.done('Now it is done'),
      '@waiteof',
    ])
    // Longer than the end of its stdin would take.
    await eventually('looks', async () => Date.now() - Date.parse((await session.view()).startedAt ?? '') > 1_500)
    expect((await session.view()).status).toBe('running')
    stage.write('go')
    expect(await session.end()).toMatchObject({ outcome: 'success', summary: 'Now it is done' })
    expect(stage.read('background.txt')).toBe('x\n')
  })

  it('ends a run whose background has only watchers', async () => {
    const end = await stage.run([tasks({ ...task, ambient: true }), ...claude.done('Done'), '@waiteof'])
    expect(end).toMatchObject({ outcome: 'success', summary: 'Done' })
  })

  it('goes on to its end when a subagent speaks after the last answer', async () => {
    expect(await stage.run([...claude.done('Done'), nested, '@waiteof'])).toMatchObject({ outcome: 'success' })
  })

  it('is not done when it ends with work open, or stopped', async () => {
    const open = await stage.run([tasks(task), ...claude.done('I wait for it'), '@exit 0'])
    expect(open).toMatchObject({
      outcome: 'error',
      failure: 'unfinished',
      summary: expect.stringContaining('npm test'),
    })
    const stopped = {
      type: 'system',
      subtype: 'task_notification',
      task_id: 'b1',
      status: 'stopped',
      summary: 'stopped',
    }
    const cut = await stage.run([...claude.done('I wait for it'), '@waiteof', JSON.stringify(stopped)])
    expect(cut).toMatchObject({ outcome: 'error', failure: 'unfinished' })
  })

  it('is bounded by the limits of the run', async () => {
    const end = await stage.run([tasks(task), ...claude.done('I wait'), '@until never'], { timeoutMs: 3_000 })
    expect(end).toMatchObject({ errorMessage: 'timeout' })
  })
})

describe('the adapter of claude, while it uses a tool', () => {
  it('says so until that has ended', async () => {
    const stage = await openStage('claude')
    const part = (type: string, content: object) => JSON.stringify({ type, message: { content: [content] } })
    const session = await stage.begin([
      part('assistant', { type: 'tool_use', id: 'toolu_1', name: 'Write', input: { file_path: 'a.txt' } }),
      '@until go',
      part('user', { type: 'tool_result', tool_use_id: 'toolu_1', content: 'written' }),
      '@until done',
      ...claude.done('Done'),
      '@waiteof',
    ])
    await eventually('a tool is used', async () => (await session.view()).usesTool === true)
    stage.write('go')
    await eventually('it has ended', async () => (await session.view()).usesTool === false)
    stage.write('done')
    expect(await session.end()).toMatchObject({ outcome: 'success' })
  })
})
