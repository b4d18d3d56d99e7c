import { realAgent } from '../real-agent.suite.ts'

realAgent('copilot', { asks: true })
