/** The doors by which others hand work over, each tried as they do it. */
import { PassThrough } from 'node:stream'
import { Command } from 'commander'
import { API_LEVEL } from '../../../src/platform/version.ts'
import type { FindingJson } from '../../../src/protocol/upkeep.ts'
import type { Cli } from '../../cli/cli.ts'
import { finding, ok } from './here.ts'

const ASKED = [
  {
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'tdf doctor', version: '1' } },
  },
  { method: 'notifications/initialized' },
  { id: 2, method: 'tools/list', params: {} },
]

/** Begins `tdf mcp` in this process and asks it for its tools, as an agent does first. */
export async function checkMcp(cli: Cli): Promise<FindingJson[]> {
  const { serve } = await import('../../tasks/mcp/serve.ts')
  const [stdin, stdout] = [new PassThrough(), new PassThrough()]
  stdin.end(ASKED.map(message => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`).join(''))
  // Of its streams it uses what every stream has.
  const streams = { stdin, stdout } as unknown as Pick<Cli, 'stdin' | 'stdout'>
  await serve({ ...cli, ...streams }, { label: {}, repo: [] }, new Command('mcp'))
  const tools = toolsIn(String(stdout.read() ?? ''))
  if (tools === 0) return [finding('mcp', 'fail', 'it names no tools', 'tdf mcp --help')]
  return [ok('mcp', `${tools} tools for agents, API level ${API_LEVEL}: claude mcp add tdf -- tdf mcp`)]
}

function toolsIn(said: string): number {
  const lines = said.split('\n').filter(Boolean)
  const answer = lines.map(line => JSON.parse(line)).find(({ id }) => id === 2)
  return answer?.result?.tools?.length ?? 0
}
