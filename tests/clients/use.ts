// What a stranger's program does with what openapi-typescript makes: `node use.js URL TOKEN`.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { argv: string[]; exit(status: number): never };

const [baseUrl, token] = process.argv.slice(2) as [string, string];
const client = createClient<paths, "application/json" | "application/problem+json">({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

function must(condition: unknown, what: unknown): asserts condition {
  if (!condition) {
    console.error(what);
    process.exit(1);
  }
}

const wanted: components["schemas"]["JobIn"] = { task: "runfoo", name: "from TypeScript", interval: { hours: 1 } };
const made = await client.POST("/jobs", { body: wanted });
must(made.response.status === 202, made.error);
const job_id = made.response.headers.get("location")!.split("/").pop()!;
const path = { job_id };

const changed = await client.PATCH("/jobs/{job_id}", { params: { path }, body: { retries: 2, timeout: null } });
must(changed.data?.retries === 2, changed.error);

const run = await client.POST("/jobs/{job_id}/run", { params: { path } });
must(run.response.status === 202, run.error);
const run_id = run.response.headers.get("location")!.split("/").pop()!;
const ended = await client.GET("/runs/{run_id}", { params: { path: { run_id }, query: { wait: 30 } } });
must(ended.data?.state === "succeeded", ended);

const listed = await client.GET("/jobs", { params: { query: { limit: 10 } } });
must(listed.data?.values.some((job) => job.id === job_id && job.name === wanted.name), listed);
const short = await client.GET("/jobs", { params: { query: { fields: ["name"], q: "TypeScript" } } });
must(JSON.stringify(short.data?.values) === JSON.stringify([{ id: job_id, name: wanted.name }]), short);

const refused = await client.POST("/jobs", { body: { task: "runfoo", name: "no trigger" } });
must(refused.error?.errors?.[0]?.detail.includes("exactly one of"), refused);

must((await client.DELETE("/jobs/{job_id}", { params: { path } })).response.ok, "not deleted");
must((await client.GET("/jobs/{job_id}", { params: { path } })).error?.status === 404, "still there");
console.log("done");
