"""Tells Twisted that there is a `jobsched`; imports nothing of it, so that listing plugins stays cheap."""

from twisted.application.service import ServiceMaker

jobsched = ServiceMaker("jobsched", "jobsched.tap", "A job scheduler driven by curl.", "jobsched")
