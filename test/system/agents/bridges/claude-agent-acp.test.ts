import { realAgent } from '../real-agent.suite.ts'

realAgent('claude-agent-acp', { asks: true })
