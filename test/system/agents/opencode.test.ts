import { realAgent } from './real-agent.suite.ts'

realAgent('opencode')
