wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"customer":"280e674c-c4ea-4a30-987a-d9267d1a5018","action":"point_add","account":"main_account","data":{"points":325,"note":"welcome"}}'
